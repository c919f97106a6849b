package vm

import (
	"fmt"
	"io"
)

// A cpioWriter writes an archive in the "newc" format, the one the kernel unpacks an initramfs from
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type cpioWriter struct {
	w   io.Writer
	ino int
	err error
}

const (
	modeDir  = 0o040755
	modeFile = 0o100755
)

func (c *cpioWriter) dir(name string)               { c.entry(name, modeDir, nil) }
func (c *cpioWriter) file(name string, data []byte) { c.entry(name, modeFile, data) }

// close writes the trailer and returns the first error of all the writing.
func (c *cpioWriter) close() error {
	c.entry("TRAILER!!!", 0, nil)
	return c.err
}

func (c *cpioWriter) entry(name string, mode int, data []byte) {
	c.ino++
	const uid, gid, links, mtime, devMajor, devMinor, rdevMajor, rdevMinor, check = 0, 0, 1, 0, 0, 0, 0, 0, 0
	header := fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		c.ino, mode, uid, gid, links, mtime, len(data), devMajor, devMinor, rdevMajor, rdevMinor, len(name)+1, check)
	c.padded(append(append(header, name...), 0))
	c.padded(data)
}

// padded writes p and pads to a multiple of four bytes.
func (c *cpioWriter) padded(p []byte) {
	for _, part := range [][]byte{p, make([]byte, -len(p)&3)} {
		if c.err == nil {
			_, c.err = c.w.Write(part)
		}
	}
}
