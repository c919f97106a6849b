package kmodtest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestComplains(t *testing.T) {
	for message, want := range map[string]bool{
		"4,1,5,-;WARNING: CPU: 1 PID: 8 at net/tls/tls_main.c:1\n": true,
		"3,1,5,-;BUG: sleeping function called":                    true,
		"4,1,5,-;refcount_t: underflow; use-after-free.":           true,
		"0,1,5,-;unregister_netdevice: waiting for tlsnic0":        true,
		"4,1,5,-;tlsnic: loading out-of-tree module taints kernel": false,
		"6,1,5,-;DEBUG and WARNINGS are words like others":         false,
		"6,1,5,-;tlsnic0: link up\n SUBSYSTEM=net\n DEVICE=BUG":    false,
	} {
		if text, got := complains(message); got != want {
			t.Errorf("%q: %q, %v", message, text, got)
		}
	}
}

// inTree runs f in a directory below one that looks like the module's root, in a guest of kernel 0.1.
func inTree(t *testing.T, files map[string]string) {
	t.Helper()
	root := t.TempDir()
	files["go.mod"], files["internal/x/x.go"] = "", ""
	for name, text := range files {
		to := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(root, "internal/x"))
	t.Setenv("KTLSTOP_GUEST", "1")
	t.Setenv("KTLSTOP_KERNEL", "0.1")
}

func TestFind(t *testing.T) {
	inTree(t, map[string]string{"bin/kmod/0.1/m.ko": ""})
	file, err := find("m")
	if err != nil || !strings.HasSuffix(file, "/bin/kmod/0.1/m.ko") {
		t.Errorf("%q, %v", file, err)
	}
	if _, err := find("other"); err == nil || !strings.Contains(err.Error(), "make kmod KERNELS=0.1") {
		t.Errorf("a module that was not built: %v", err)
	}
}

func TestFindNone(t *testing.T) {
	inTree(t, map[string]string{"bin/kmod/0.1/missing": "no headers\n"})
	var none noModule
	if _, err := find("m"); !errors.As(err, &none) || !strings.HasSuffix(none.reason, ": no headers") {
		t.Errorf("%v", err)
	}
	t.Setenv("KTLSTOP_GUEST", "")
	if _, err := find("m"); !errors.As(err, &none) || !strings.Contains(none.reason, "make vmtest") {
		t.Errorf("outside of a guest: %v", err)
	}
}

// TestKernelLog: earlier messages of the kernel do not belong to the test, later ones do.
func TestKernelLog(t *testing.T) {
	if os.Getenv("KTLSTOP_GUEST") == "" {
		t.Skip("writes to the kernel's log, so in a guest only: make vmtest PACKAGES=./internal/kmodtest")
	}
	say := func(text string) {
		if err := os.WriteFile("/dev/kmsg", []byte(text+"\n"), 0); err != nil {
			t.Fatal(err)
		}
	}
	say("<4>WARNING: before")
	log, err := openLog()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	say("<6>nothing worth a word")
	say("<4>WARNING: of a test")
	if got := log.complaints(); len(got) != 1 || got[0] != "WARNING: of a test" {
		t.Errorf("%q", got)
	}
	if got := log.complaints(); len(got) != 0 {
		t.Errorf("again: %q", got)
	}
}
