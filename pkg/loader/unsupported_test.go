package loader

import (
	"os"
	"path/filepath"
	"strings"
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

// A kernel's symbols show whether it is too old, if they have the TLS code at all.
func TestTooOld(t *testing.T) {
	const module, builtIn, other = "0000000000000000 t %s\t[tls]\n", "0000000000000000 T %s\n", "0000000000000000 t tcp_sendmsg\n"
	line := func(format, name string) string { return strings.Replace(format, "%s", name, 1) }
	for _, c := range []struct {
		text string
		want bool
	}{
		{line(module, "tls_sw_recvmsg") + other, true},
		{line(builtIn, "tls_sw_recvmsg") + other, true},
		{other + line(module, "tls_sw_recvmsg") + line(module, "tls_rx_one_record"), false},
		{other + line(builtIn, "tls_rx_one_record") + line(builtIn, "tls_sw_recvmsg"), false},
		{line(module, "tls_sw_recvmsg") + line(module, "tls_rx_one_record_size"), true}, // another function
		{other, false},
		{"", false},
	} {
		file := filepath.Join(t.TempDir(), "kallsyms")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := tooOld(file); got != c.want {
			t.Errorf("%v of %q", got, c.text)
		}
	}
	if tooOld(filepath.Join(t.TempDir(), "none")) {
		t.Error("too old without symbols")
	}
}
