package ktls

import (
	"net"
	"slices"
)

// WriteBuffers sends the contents of v and consumes what it has sent, as
// [net.Buffers.WriteTo] does: when it returns, *v holds what has not been sent. The slices
// share records, so the header and the body of an HTTP/2 or gRPC frame need one record and
// one system call, where a Write for each of them needs two. Deadlines work as in
// [Conn.Write]. No other Write comes in between.
//
// Call it in place of v.WriteTo(conn), which works but makes at least one record for each
// slice. Package net sends slices together through an interface with an unexported method,
// which no type outside of net can implement. A type could only inherit that method by
// embedding a *net.TCPConn, and the inherited method would go past the handshake and past
// a KeyUpdate that is due.
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

// WriteBuffers is [Conn.WriteBuffers] for user space: crypto/tls makes its records of one
// slice each, so the slices are copied together first. No slice of v is empty.
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

// joined appends the contents of v to buf, as far as one record takes them.
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
