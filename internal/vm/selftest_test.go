package vm

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestNoted(t *testing.T) {
	dir := t.TempDir()
	if name, ok := noted(dir, "tls-"); ok {
		t.Errorf("%s in an empty cache", name)
	}
	note := filepath.Join(dir, "version")
	if err := replaceFile(note, []byte("7.3.4-1~bpo13+1\n")); err != nil {
		t.Fatal(err)
	}
	if name, ok := noted(dir, "tls-"); ok {
		t.Errorf("%s is only a note", name)
	}
	want := filepath.Join(dir, "tls-7.3.4-1~bpo13+1")
	if err := os.WriteFile(want, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if name, ok := noted(dir, "tls-"); !ok || name != want {
		t.Errorf("%s, %v, want %s", name, ok, want)
	}
}

// TestExtractSelftest extracts exactly the four files from a tree.
func TestExtractSelftest(t *testing.T) {
	for _, program := range []string{"tar", "xz"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: apt-get install %[1]s", program)
		}
	}
	dir := t.TempDir()
	tree := filepath.Join(dir, "usr/src/linux-source-7.3")
	for _, file := range append([]string{"include/uapi/linux/tcp.h"}, selftestSources...) {
		if err := replaceFile(filepath.Join(tree, file), []byte(file)); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(t.Context(), "tar", "-C", filepath.Dir(tree), "-cJf", tree+".tar.xz", "linux-source-7.3"); err != nil {
		t.Fatal(err)
	}
	if err := extractSelftest(t.Context(), dir, "linux-source-7.3"); err != nil {
		t.Fatal(err)
	}
	for _, file := range selftestSources {
		if b, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(b) != file {
			t.Errorf("%s holds %q: %v", file, b, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "include/uapi/linux/tcp.h")); err == nil {
		t.Error("more than what is needed came along")
	}
}
