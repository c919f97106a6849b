package ktls

import (
	"net"
	"slices"
)

// WriteBuffers sends the slices of v and removes from v what it has sent, as
// [net.Buffers.WriteTo] does. On return *v holds the bytes that have not been sent. Slices
// share records: the header and the body of an HTTP/2 or gRPC frame become one record and
// take one system call, instead of two with a Write for each. Deadlines work as in
// [Conn.Write]. No concurrent Write comes between the slices.
//
// Call it instead of v.WriteTo(conn), which makes at least one record for each slice. Package
// net sends slices together through an interface with an unexported method, which types
// outside of net cannot implement. A type that embeds a *net.TCPConn inherits that method,
// but the inherited method would bypass the handshake and a KeyUpdate that is due.
func (c *Conn) WriteBuffers(v *net.Buffers) (int64, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	*v = slices.DeleteFunc(*v, func(b []byte) bool { return len(b) == 0 })
	return c.layer.WriteBuffers(v)
}

// WriteBuffers is [Conn.WriteBuffers] for the kernel. No slice of v is empty.
func (k *kernelLayer) WriteBuffers(v *net.Buffers) (int64, error) {
	k.writing.lock()
	defer k.writing.unlock()
	size := 0
	for _, b := range *v {
		size += len(b)
	}
	if err := k.ready(recordsOf(size, false)); err != nil {
		return 0, err
	}
	return k.sock.writeBuffers(v)
}

// WriteBuffers is [Conn.WriteBuffers] for user space. A Write of crypto/tls takes one slice, so
// the slices are copied into one buffer first. No slice of v is empty.
func (u *userLayer) WriteBuffers(v *net.Buffers) (total int64, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var buf []byte
	for len(*v) > 0 {
		buf = joined(buf[:0], *v)
		n, err := u.write(buf)
		total += int64(n)
		consume(v, n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// joined appends the contents of v to buf, up to the length of one record.
func joined(buf []byte, v net.Buffers) []byte {
	for _, b := range v {
		buf = append(buf, b[:min(len(b), maxPlaintext-len(buf))]...)
		if len(buf) == maxPlaintext {
			break
		}
	}
	return buf
}

// consume removes n bytes from the front of v.
func consume(v *net.Buffers, n int) {
	for len(*v) > 0 {
		first := len((*v)[0])
		if first > n {
			(*v)[0] = (*v)[0][n:]
			return
		}
		n -= first
		(*v)[0] = nil
		*v = (*v)[1:]
	}
}
