// Package kmodtest loads the project's kernel modules (kmod/, built by make kmod) in tests that run
// in a guest. A test fails if the kernel complains during it.
package kmodtest

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unloadTime is how long the kernel may take to free the module's last objects, such as sockets.
const unloadTime = time.Minute

// A Module is loaded until the end of the test that loaded it, or until Unload.
type Module struct {
	name   string
	loaded bool
	log    *kernelLog
}

// Load loads a module with parameters such as "family=12", and the kernel's modules that it needs.
// When the test ends, it unloads the module, and fails the test for any complaint of the kernel
// since. If there is no module, because the kernel's headers are not available, it skips the test.
func Load(t testing.TB, name string, params ...string) *Module {
	t.Helper()
	file, err := find(name)
	if none := (noModule{}); errors.As(err, &none) {
		t.Skip(none)
	}
	if err != nil {
		t.Fatal(err)
	}
	log, err := openLog()
	if err != nil {
		t.Fatal(err)
	}
	m := &Module{name: name, log: log}
	t.Cleanup(func() { m.end(t) })
	if err := insert(file, params); err != nil {
		t.Fatalf("load %s: %v", name, err)
	}
	m.loaded = true
	return m
}

func (m *Module) end(t testing.TB) {
	m.Unload(t)
	for _, line := range m.log.complaints() {
		t.Errorf("the kernel says: %s", line)
	}
	m.log.Close()
}

// Unload unloads the module, unless that has been done. It waits until the kernel has freed the
// module's objects.
func (m *Module) Unload(t testing.TB) {
	t.Helper()
	if !m.loaded {
		return
	}
	m.loaded = false
	deadline := time.Now().Add(unloadTime)
	for {
		err := unix.DeleteModule(m.name, unix.O_NONBLOCK)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			t.Errorf("unload %s: %v", m.name, err)
			return
		}
		time.Sleep(10 * time.Millisecond) // the kernel does not report that the last user is gone
	}
}

// Set writes a parameter of the loaded module.
func (m *Module) Set(t testing.TB, param, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join("/sys/module", m.name, "parameters", param), []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// noModule is why there is no module for this kernel.
type noModule struct{ reason string }

func (e noModule) Error() string { return e.reason }

// find returns the file of a module for the kernel of this guest.
func find(name string) (string, error) {
	if os.Getenv("KTLSTOP_GUEST") == "" {
		return "", noModule{"kernel modules are loaded in guests only: run make vmtest"}
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "bin/kmod", os.Getenv("KTLSTOP_KERNEL"))
	if reason, err := os.ReadFile(filepath.Join(dir, "missing")); err == nil {
		return "", noModule{fmt.Sprintf("no kernel modules here: %s", bytes.TrimSpace(reason))}
	}
	file := filepath.Join(dir, name+".ko")
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("%w: run make kmod KERNELS=%s", err, os.Getenv("KTLSTOP_KERNEL"))
	}
	return file, nil
}

// moduleRoot is the directory of go.mod, above the directory that a test runs in.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for up := dir; ; up = filepath.Dir(up) {
		if _, err := os.Stat(filepath.Join(up, "go.mod")); err == nil {
			return up, nil
		}
		if up == "/" {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
	}
}

// insert loads a module's dependencies, then the module. It is in no index, so modprobe does not
// know it.
func insert(file string, params []string) error {
	needs, err := depends(file)
	if err != nil {
		return err
	}
	for _, name := range needs {
		if out, err := exec.Command("modprobe", name).CombinedOutput(); err != nil {
			return fmt.Errorf("modprobe %s: %w: %s", name, err, bytes.TrimSpace(out))
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("finit_module", unix.FinitModule(int(f.Fd()), strings.Join(params, " "), 0))
}

// depends reads the names of the modules whose symbols a module uses.
func depends(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("%s is no kernel module", file)
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(string(info), "\x00") {
		if names, ok := strings.CutPrefix(line, "depends="); ok && names != "" {
			return strings.Split(names, ","), nil
		}
	}
	return nil, nil
}
