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

// Preflight checks, from the cheapest on, that this machine can be traced, and
// loads the tls module where it is missing. Open does so by itself. The error is
// an *UnsupportedError where something is lacking.
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

// openFunction opens a record, from Linux 6.0 on. Of the functions that ktlstop
// cannot do without it is the youngest, and the one that tells an old kernel.
const openFunction = "tls_rx_one_record"

// missingFunction is of a kernel without a function that ktlstop cannot do without.
func missingFunction(name string) error {
	if name == openFunction {
		return &UnsupportedError{What: "this kernel's TLS code is older than Linux 6.0: it has no function " + name + ", which opens records",
			Hint: "use Linux 6.0 or later"}
	}
	return &UnsupportedError{What: "this kernel's TLS code has no function " + name + " to attach to",
		Hint: "docs/kernels.md lists the kernels that are known to work"}
}

// tooOld asks the kernel's symbols whether its TLS code is there and lacks
// openFunction. Their names anyone may read.
func tooOld(kallsyms string) bool {
	b, err := os.ReadFile(kallsyms)
	has := func(name string) bool { // a tab and the module follow where there is one
		return bytes.Contains(b, []byte(" "+name+"\t")) || bytes.Contains(b, []byte(" "+name+"\n"))
	}
	return err == nil && has("tls_sw_recvmsg") && !has(openFunction)
}

// checkRights looks at the capabilities before the kernel says EPERM somewhere.
func checkRights() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	has := func(c uint) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	// CAP_BPF and CAP_PERFMON are not enough: to attach to a module its type
	// information is opened by number, which wants CAP_SYS_ADMIN.
	if has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	return &UnsupportedError{What: "not allowed to load BPF programs",
		Hint: "run as root, or with CAP_SYS_ADMIN", Err: unix.EPERM}
}

// loadModule makes sure that the TCP upper layer protocol "tls" is there.
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

// modprobe is the absolute path of the program that the kernel itself loads
// modules with, as the sysctl file says. PATH may be somebody else's, and what
// it names would run as root.
func modprobe(sysctl string) string {
	b, err := os.ReadFile(sysctl)
	if path := strings.TrimSpace(string(b)); err == nil && strings.HasPrefix(path, "/") {
		return path
	}
	return "/sbin/modprobe"
}

// hasULP says whether the kernel knows the protocol. Where it shows its counters it
// does, and is not asked: that would be a refusal, which other tracers see. Else it
// is asked for on a socket that is not connected. The kernel
// says ENOTCONN where it has it (tls_init), ENOENT where not. The list in
// /proc/sys/net/ipv4/tcp_available_ulp is that of the first network namespace
// alone: other namespaces, as of containers, have no such file.
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
