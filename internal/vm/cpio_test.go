package vm

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

func TestCpio(t *testing.T) {
	var b bytes.Buffer
	c := &cpioWriter{w: &b}
	c.dir("d")
	c.file("d/file", []byte("hello"))
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	// The first header, written out: inode 1, a directory, one link, no data, a name of two bytes.
	want := "070701" + "00000001" + "000041ed" + strings.Repeat("0", 16) + "00000001" + strings.Repeat("0", 16) +
		strings.Repeat("0", 32) + "00000002" + "00000000" + "d\x00"
	if got := b.String()[:112]; got != want {
		t.Errorf("header\n%q, want\n%q", got, want)
	}
	if b.Len()%4 != 0 || !bytes.Contains(b.Bytes(), []byte("d/file\x00\x00\x00\x00hello\x00\x00\x00")) {
		t.Errorf("archive is not padded as it should be: %q", b.Bytes())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestCpioError(t *testing.T) {
	c := &cpioWriter{w: brokenWriter{}}
	c.dir("d")
	if c.close() == nil {
		t.Error("a failed write was not reported")
	}
}

// The guest's init runs before there is a C library. These packages would make cgo link one in.
func TestStaticallyLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/vmrun", "./cmd/vmtest").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if pkg == "net" || pkg == "os/user" || pkg == "runtime/cgo" {
			t.Errorf("vmrun or vmtest depends on %s", pkg)
		}
	}
}
