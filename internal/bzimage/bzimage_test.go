package bzimage

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestVmlinux(t *testing.T) {
	kernel := []byte("\x7fELF and so on")
	for name, b := range map[string][]byte{
		"bare":                kernel,
		"compressed":          zipped(t, kernel),
		"an image":            image(zipped(t, kernel)),
		"an image compressed": zipped(t, image(zipped(t, kernel))),
	} {
		got, err := Vmlinux(write(t, b))
		if err != nil || !bytes.Equal(got, kernel) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestVmlinuxRefused(t *testing.T) {
	whole := image(zipped(t, []byte("\x7fELF")))
	for name, b := range map[string][]byte{
		"empty":        nil,
		"text":         []byte("text"),
		"an image cut": whole[:len(whole)-5],
		"half a gzip":  zipped(t, []byte("\x7fELF"))[:20],
		"no kernel":    zipped(t, []byte("text")),
	} {
		if got, err := Vmlinux(write(t, b)); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := Vmlinux(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// The payload of xz and zstd has its length behind it, that of gzip has not.
func TestPayloadWithLength(t *testing.T) {
	b, err := Unwrap(image([]byte("abcdLEN.")))
	if err != nil || string(b) != "abcd" {
		t.Errorf("%q, %v", b, err)
	}
}

func write(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// image is a sector, two more of real-mode code, some of the loader, and the payload.
func image(payload []byte) []byte {
	const sects, before = 2, 100
	b := make([]byte, (sects+1)*512+before)
	b[setupSects] = sects
	copy(b[headerMagic:], "HdrS")
	binary.LittleEndian.PutUint32(b[payloadOffset:], before)
	binary.LittleEndian.PutUint32(b[payloadLength:], uint32(len(payload)))
	return append(b, payload...)
}
