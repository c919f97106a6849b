// Package bzimage takes a kernel out of what it is wrapped in: an image for x86, and compression.
package bzimage

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Vmlinux returns the ELF file in an image such as those in /boot. It has the kernel's types (.BTF), but no symbols.
func Vmlinux(file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	for err == nil && !bytes.HasPrefix(b, []byte(elf.ELFMAG)) {
		b, err = Unwrap(b)
	}
	if err != nil {
		return nil, fmt.Errorf("find the kernel in %s: %w", file, err)
	}
	return b, nil
}

// Unwrap takes off one layer: an image gives its payload, what is compressed is decompressed. Anything else is an error.
func Unwrap(b []byte) ([]byte, error) {
	if isImage(b) {
		return payload(b)
	}
	return decompress(b)
}

// Of the header of an image for x86: Documentation/arch/x86/boot.rst.
const (
	setupSects    = 0x1f1 // a byte: 512-byte sectors of real-mode code behind the first
	headerMagic   = 0x202 // "HdrS"
	payloadOffset = 0x248 // from the end of the real-mode code
	payloadLength = 0x24c
	headerEnd     = 0x250
)

func isImage(b []byte) bool {
	return len(b) >= headerEnd && string(b[headerMagic:headerMagic+4]) == "HdrS"
}

// payload returns the compressed vmlinux in an image. The kernel's build puts
// the length that comes out behind it, unless gzip has done so itself.
func payload(b []byte) ([]byte, error) {
	sects := int64(b[setupSects])
	if sects == 0 {
		sects = 4
	}
	begin := (sects+1)*512 + int64(binary.LittleEndian.Uint32(b[payloadOffset:]))
	end := begin + int64(binary.LittleEndian.Uint32(b[payloadLength:]))
	if begin+4 > end || end > int64(len(b)) {
		return nil, errors.New("the image ends before its payload")
	}
	b = b[begin:end]
	if bytes.HasPrefix(b, gzipMagic) {
		return b, nil
	}
	return b[:len(b)-4], nil
}

var gzipMagic = []byte{0x1f, 0x8b}

// decompress undoes what kernels and modules are compressed with. What Go's
// library does not know is left to the programs that the build of such a kernel
// needs, too.
func decompress(b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, gzipMagic):
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case bytes.HasPrefix(b, []byte("BZh")):
		return io.ReadAll(bzip2.NewReader(bytes.NewReader(b)))
	case bytes.HasPrefix(b, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return filter(b, "xz", "-dc")
	case bytes.HasPrefix(b, []byte{0x5d, 0, 0}):
		return filter(b, "xz", "-dc", "--format=lzma")
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return filter(b, "zstd", "-dc")
	case bytes.HasPrefix(b, []byte{0x02, 0x21, 0x4c, 0x18}):
		return filter(b, "lz4", "-dc")
	}
	return nil, errors.New("it is no kernel, module or type information, nor one compressed in a known way")
}

func filter(b []byte, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(b)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("decompress: %s: %w %s", program, err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}
