package ktlstest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unloadTime is how long sockets that are closed may keep the module in use.
const unloadTime = time.Minute

// loadFamily loads the module af_ktls until the test ends, and fails the test for what the kernel complains of meanwhile. The repository's `make kmod` builds the module for each kernel. Where that kernel's headers are not
// published there is none, and the test is skipped.
//
// The repository has internal/kmodtest for this. A test of this module cannot use it: whoever imports this module would
// then depend on the whole repository.
func loadFamily(t testing.TB) {
	t.Helper()
	dir := filepath.Join(repository(t), "bin/kmod", os.Getenv("KTLSTOP_KERNEL"))
	if why, err := os.ReadFile(filepath.Join(dir, "missing")); err == nil {
		t.Skipf("no kernel modules for this kernel: %s", bytes.TrimSpace(why))
	}
	log := openKernelLog(t)
	if err := insertModule(filepath.Join(dir, "af_ktls.ko")); err != nil {
		t.Fatalf("load af_ktls (make kmod builds it): %v", err)
	}
	t.Cleanup(func() {
		unloadFamily(t)
		log.check(t)
	})
}

// repository is the directory of go.work, above the one that a test runs in.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	t.Fatalf("no go.work above the working directory: %v", err)
	return ""
}

// insertModule loads a module by its file, and by name the modules that it depends on.
func insertModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	depends, err := exec.Command("modinfo", "-F", "depends", file).Output()
	if err != nil {
		return err
	}
	if names := strings.FieldsFunc(string(depends), func(r rune) bool { return r == ',' || r == '\n' }); len(names) > 0 {
		if out, err := exec.Command("modprobe", append([]string{"-a"}, names...)...).CombinedOutput(); err != nil {
			return errors.New(string(bytes.TrimSpace(out)))
		}
	}
	return os.NewSyscallError("finit_module", unix.FinitModule(int(f.Fd()), "", 0))
}

// unloadFamily waits until the kernel has freed the module's last socket.
func unloadFamily(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(unloadTime); ; {
		err := unix.DeleteModule("af_ktls", unix.O_NONBLOCK)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			t.Errorf("unload af_ktls: %v", err)
			return
		}
		time.Sleep(10 * time.Millisecond) // nothing reports that the last user is gone
	}
}

// kernelLog reads what the kernel logs from a moment on (Documentation/ABI/testing/dev-kmsg).
type kernelLog int

func openKernelLog(t testing.TB) kernelLog {
	t.Helper()
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(os.NewSyscallError("open /dev/kmsg", err))
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		t.Fatal(os.NewSyscallError("seek", err))
	}
	return kernelLog(fd)
}

// complaint is how the kernel's own checks begin their messages.
var complaint = regexp.MustCompile(`\b(BUG|WARNING|KFENCE|UBSAN)\b|Oops|refcount_t:|general protection|unable to handle|soft lockup|Objects remaining in`)

func (l kernelLog) check(t testing.TB) {
	defer unix.Close(int(l))
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(int(l), buf)
		if errors.Is(err, unix.EPIPE) { // older messages than these were overwritten
			continue
		}
		if err != nil || n == 0 {
			return
		}
		if complaint.Match(buf[:n]) {
			t.Errorf("the kernel logs: %s", buf[:n])
		}
	}
}
