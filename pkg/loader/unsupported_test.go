package loader

import (
	"os"
	"path/filepath"
	"testing"
)

// TestModprobe: what is run as root has an absolute path, whatever PATH says.
func TestModprobe(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for text, want := range map[string]string{
		"/usr/lib/kmod/modprobe\n": "/usr/lib/kmod/modprobe",
		"modprobe\n":               "/sbin/modprobe",
		"\n":                       "/sbin/modprobe", // switched off for the kernel
	} {
		sysctl := filepath.Join(t.TempDir(), "modprobe")
		if err := os.WriteFile(sysctl, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := modprobe(sysctl); got != want {
			t.Errorf("of %q: %s, want %s", text, got, want)
		}
	}
	if got := modprobe(filepath.Join(t.TempDir(), "none")); got != "/sbin/modprobe" {
		t.Errorf("without the file: %s", got)
	}
}
