//go:build linux && (amd64 || arm64)

package loader

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// Preflight checks the capabilities of the process, and loads the module tls if the kernel
// does not have it yet. Open calls it. The error is an *UnsupportedError if something is
// missing.
func Preflight() error {
	if err := checkRights(); err != nil {
		return err
	}
	return loadModule()
}

const (
	vmlinuxTypes = "/sys/kernel/btf/vmlinux"
	tlsTypes     = "/sys/kernel/btf/tls"
)

func hasTypes() bool { return checkTypes() == nil }

func checkTypes() error {
	missing := vmlinuxTypes
	_, err := os.Stat(missing)
	if _, module := os.Stat("/sys/module/tls/initstate"); err == nil && module == nil {
		missing = tlsTypes // tls is a module and has its own
		_, err = os.Stat(missing)
	}
	if err != nil && tooOld("/proc/kallsyms") {
		return missingFunction(openFunction) // type information would not help
	}
	if err != nil {
		return &UnsupportedError{What: "this kernel has no type information (" + missing + ")",
			Hint: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as all distributions' are today, or a build with the gobpf backend", Err: err}
	}
	return nil
}

// openFunction decrypts a record, since Linux 6.0. It is the newest of the required functions,
// so that its absence identifies an older kernel.
const openFunction = "tls_rx_one_record"

// missingFunction returns the error for a kernel without a required function.
func missingFunction(name string) error {
	if name == openFunction {
		return &UnsupportedError{What: "this kernel's TLS code is older than Linux 6.0: it has no function " + name + ", which opens records",
			Hint: "use Linux 6.0 or later"}
	}
	return &UnsupportedError{What: "this kernel's TLS code has no function " + name + " to attach to",
		Hint: "docs/kernels.md lists the kernels that are known to work"}
}

// tooOld reports whether the kernel's symbols contain its TLS code and not openFunction. The
// names of the symbols are readable by everybody.
func tooOld(kallsyms string) bool {
	b, err := os.ReadFile(kallsyms)
	has := func(name string) bool { // a tab and the module follow where there is one
		return bytes.Contains(b, []byte(" "+name+"\t")) || bytes.Contains(b, []byte(" "+name+"\n"))
	}
	return err == nil && has("tls_sw_recvmsg") && !has(openFunction)
}

// checkRights tests the capabilities, before some call fails with EPERM.
func checkRights() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	has := func(c uint) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	// CAP_BPF and CAP_PERFMON are not enough: attaching to a module opens its type
	// information by id, which needs CAP_SYS_ADMIN.
	if has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	return &UnsupportedError{What: "not allowed to load BPF programs",
		Hint: "run as root, or with CAP_SYS_ADMIN", Err: unix.EPERM}
}

// loadModule makes sure that the kernel has the TCP upper layer protocol "tls".
func loadModule() error {
	if hasULP() {
		return nil
	}
	out, err := exec.Command(modprobe("/proc/sys/kernel/modprobe"), "tls").CombinedOutput()
	if hasULP() {
		return nil
	}
	hint := "use a kernel with CONFIG_TLS=m or =y"
	if errors.Is(err, fs.ErrNotExist) {
		hint = "there is no modprobe; load the module tls yourself"
	} else if msg := strings.TrimSpace(string(out)); msg != "" {
		hint += "; modprobe said: " + strings.ReplaceAll(msg, "\n", " ")
	}
	return &UnsupportedError{What: "this kernel has no kernel TLS (module tls)", Hint: hint, Err: err}
}

// modprobe returns the absolute path of the program by which the kernel itself loads modules,
// from the sysctl file. It does not search PATH: somebody else may have set PATH, and the
// program would run as root.
func modprobe(sysctl string) string {
	b, err := os.ReadFile(sysctl)
	if path := strings.TrimSpace(string(b)); err == nil && strings.HasPrefix(path, "/") {
		return path
	}
	return "/sbin/modprobe"
}

// hasULP reports whether the kernel has the protocol. It has it if it shows its counters; a
// request is avoided then, since it would fail and other tracers would see the failure.
// Otherwise hasULP requests the protocol on a socket that is not connected: the kernel
// returns ENOTCONN if it has it (tls_init), and ENOENT if not. It cannot use
// /proc/sys/net/ipv4/tcp_available_ulp, which exists only in the initial network namespace
// and not in those of containers.
func hasULP() bool {
	if _, err := os.Stat("/proc/net/tls_stat"); err == nil {
		return true
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return errors.Is(unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "tls"), unix.ENOTCONN)
}
