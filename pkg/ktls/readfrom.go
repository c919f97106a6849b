package ktls

import (
	"io"
	"net"
	"os"
)

// ReadFrom sends all of r, or as much as an io.LimitedReader allows. Where the kernel
// seals, a regular *os.File goes out by sendfile(2), and a *net.TCPConn, a *net.UnixConn or
// a *Conn whose records the kernel opens by splice(2): the bytes never enter the program.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	if lr, ok := r.(*io.LimitedReader); ok {
		if src, ok := lr.R.(*Conn); ok {
			n, err := src.writeTo(c, max(lr.N, 0))
			lr.N -= n
			return n, err
		}
	}
	if src, ok := r.(*Conn); ok {
		return src.WriteTo(c)
	}
	if k, ok := c.layer.(*kernelLayer); ok {
		return k.ReadFrom(r)
	}
	return io.Copy(onlyWriter{c.layer}, r)
}

// onlyWriter hides ReadFrom from io.Copy, and onlyReader WriteTo.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// maxChunk is how many bytes go out between two looks at what else must be sent. It is a
// multiple of a record, so that records are full.
const maxChunk = 256 * maxPlaintext

// ReadFrom is [Conn.ReadFrom] for the kernel.
func (k *kernelLayer) ReadFrom(r io.Reader) (int64, error) {
	lr, ok := r.(*io.LimitedReader)
	if !ok {
		lr = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	n, err := k.spliceIn(lr.R, min(lr.N, spliceable(lr.R)))
	lr.N -= n
	if err != nil || lr.N == 0 {
		return n, err
	}
	// What cannot be spliced, and what a file has gained since.
	rest, err := io.Copy(onlyWriter{k}, lr)
	return n + rest, err
}

// spliceable returns how many bytes of r the kernel can take by itself. For a file that is
// exactly the rest of it: when sendfile(2) is asked for more than there is, Linux before
// 6.5 leaves the last record open, waiting for the rest.
func spliceable(r io.Reader) int64 {
	switch src := r.(type) {
	case *net.TCPConn, *net.UnixConn:
		return 1<<63 - 1
	case *os.File:
		info, err := src.Stat()
		if err != nil || !info.Mode().IsRegular() {
			return 0
		}
		at, err := src.Seek(0, io.SeekCurrent)
		if err != nil {
			return 0
		}
		return max(info.Size()-at, 0)
	}
	return 0
}

// spliceIn lets the kernel move up to limit bytes of src.
func (k *kernelLayer) spliceIn(src io.Reader, limit int64) (total int64, err error) {
	for total < limit {
		chunk := min(limit-total, maxChunk)
		n, err := k.spliceChunk(&io.LimitedReader{R: src, N: chunk})
		total += n
		if err != nil || n < chunk {
			return total, err
		}
	}
	return total, nil
}

func (k *kernelLayer) spliceChunk(lr *io.LimitedReader) (int64, error) {
	k.writing.lock()
	defer k.writing.unlock()
	if err := k.ready(recordsOf(int(lr.N), true)); err != nil {
		return 0, err
	}
	return k.sock.ReadFrom(lr)
}
