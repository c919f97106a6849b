package ktls

import (
	"io"
	"math"
)

// WriteTo copies application data to w until the end of the stream. Where the kernel opens
// the records and w is a *net.TCPConn, a *net.UnixConn or a *Conn for which the kernel seals,
// the bytes go by splice(2) and never enter the program. io.Copy between two Conns calls
// WriteTo. WriteTo handles records of other types, such as alerts and KeyUpdates, as
// [Conn.Read] does.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	return c.writeTo(w, math.MaxInt64)
}

// writeTo is WriteTo for at most limit bytes.
func (c *Conn) writeTo(w io.Writer, limit int64) (int64, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	if dst, ok := w.(*Conn); ok {
		if err := dst.Handshake(); err != nil {
			return 0, err
		}
	}
	if k, ok := c.layer.(*kernelLayer); ok {
		return k.spliceOut(w, limit)
	}
	return io.Copy(w, io.LimitReader(c.layer, limit))
}

// copyOut is what spliceOut does where the kernel cannot splice.
func (k *kernelLayer) copyOut(w io.Writer, limit int64) (int64, error) {
	return io.Copy(w, io.LimitReader(k, limit))
}
