package ktls

import (
	"io"
	"net"
)

// WriteTo copies application data to w until the end of the stream. Where the kernel opens
// the records and w is a *net.TCPConn or *net.UnixConn, the bytes go by splice(2) and never
// enter the program.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	k, ok := c.layer.(*kernelLayer)
	if !ok {
		return io.Copy(w, onlyReader{c.layer})
	}
	switch dst := w.(type) {
	case *net.TCPConn:
		return k.spliceOut(dst, dst)
	case *net.UnixConn:
		return k.spliceOut(dst, dst)
	}
	return io.Copy(w, onlyReader{k})
}
