package vm

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeQEMU is a program that prints this version.
func fakeQEMU(t *testing.T, says string) *arch {
	t.Helper()
	file := filepath.Join(t.TempDir(), "qemu-system-test")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho '"+says+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &arch{name: "test", qemu: file}
}

// TestEmulator: an old QEMU is not used for several processors, a new one is, and an unreadable
// version is an error.
func TestEmulator(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("KTLSTOP_CACHE", cache)
	newer := filepath.Join(cache, "qemu/test/qemu-1:10.0.2")
	if err := os.MkdirAll(newer, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(filepath.Join(cache, "qemu/test/version"), []byte("1:10.0.2\n")); err != nil {
		t.Fatal(err)
	}
	for says, own := range map[string]bool{
		"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)":      false,
		"QEMU emulator version 8.0.5":                                         false,
		"QEMU emulator version 8.1.0":                                         true,
		"QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)": true,
	} {
		a := fakeQEMU(t, says)
		got, err := a.emulator(t.Context())
		want := []string{a.qemu}
		if !own {
			want = []string{filepath.Join(newer, "usr/bin", a.qemu), "-L", filepath.Join(newer, "usr/share/qemu"), "-L", seabios}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", says, got, err, want)
		}
	}
	if _, err := fakeQEMU(t, "hello").emulator(t.Context()); err == nil || !strings.Contains(err.Error(), "does not tell its version") {
		t.Errorf("no version: %v", err)
	}
}

// TestProgram: only a guest with several emulated processors needs a newer QEMU than the host's.
func TestProgram(t *testing.T) {
	t.Setenv("PATH", "")
	c := Config{Kernel: &Kernel{"6.1", "6.1.0-1-amd64", "/cache"}, SMP: 2}
	if _, err := c.program(context.Background(), false); err == nil {
		t.Error("the version of a QEMU that is not there did not matter")
	}
	counting := c
	counting.Icount = true
	for what, got := range map[string]func() ([]string, error){
		"KVM":      func() ([]string, error) { return c.program(t.Context(), true) },
		"counting": func() ([]string, error) { return counting.program(t.Context(), false) },
	} {
		if program, err := got(); err != nil || !slices.Equal(program, []string{"qemu-system-x86_64"}) {
			t.Errorf("%s: %q, %v", what, program, err)
		}
	}
}
