package gen

import (
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// bufSize limits the bytes of one call. It is a multiple of a record, so that splitting
// a write changes no record.
const bufSize = 64 * maxRecord

// source sends application data by one of the calls.
type source interface {
	// send sends the first n bytes of the pattern, n <= most.
	send(c link, n int) error
	most() int
	close()
}

func newSource(op Op) (source, error) {
	switch op {
	case OpSendfile:
		return newFileSource()
	case OpSplice:
		return newSpliceSource()
	}
	return memory(pattern()), nil
}

// pattern is data in which every offset can be recognised.
func pattern() []byte {
	b := make([]byte, bufSize)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}

type memory []byte

func (m memory) send(c link, n int) error {
	_, err := c.Write(m[:n])
	return err
}
func (m memory) most() int { return len(m) }
func (m memory) close()    {}

// fileSource is a file without a name, sent by sendfile(2).
type fileSource struct{ *os.File }

func newFileSource() (source, error) {
	f, err := os.CreateTemp("", "ktlstop-gen-")
	if err != nil {
		return nil, fmt.Errorf("make a file to send: %w", err)
	}
	err = os.Remove(f.Name()) // nobody else needs the name
	if err == nil {
		_, err = f.Write(pattern())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("fill the file to send: %w", err)
	}
	return fileSource{f}, nil
}

func (f fileSource) send(c link, n int) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return sendAll(c, f.File, n)
}
func (f fileSource) most() int { return bufSize }
func (f fileSource) close()    { f.Close() }

// spliceSource is a pair of Unix sockets: data written to one is read from the other by
// splice(2).
type spliceSource struct {
	in, out net.Conn
	pattern []byte
}

func newSpliceSource() (source, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	s := &spliceSource{pattern: pattern()[:maxRecord]}
	for i, conn := range []*net.Conn{&s.in, &s.out} {
		f := os.NewFile(uintptr(fds[i]), "splice")
		c, ferr := net.FileConn(f)
		f.Close()
		*conn, err = c, firstError(err, ferr)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// send: the socket holds a record's bytes without a reader.
func (s *spliceSource) send(c link, n int) error {
	if _, err := s.in.Write(s.pattern[:n]); err != nil {
		return err
	}
	return sendAll(c, s.out, n)
}
func (s *spliceSource) most() int { return maxRecord }

func (s *spliceSource) close() {
	for _, c := range []net.Conn{s.in, s.out} {
		if c != nil {
			c.Close()
		}
	}
}

func sendAll(c link, from io.Reader, n int) error {
	sent, err := c.ReadFrom(&io.LimitedReader{R: from, N: int64(n)})
	if err == nil && sent < int64(n) {
		return io.ErrUnexpectedEOF
	}
	return err
}
