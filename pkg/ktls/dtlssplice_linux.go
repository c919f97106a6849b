package ktls

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/kernel"
)

// spliceFrom sends a file by sendfile(2), and a stream socket by splice(2).
func (s *ktlsSocket) spliceFrom(src io.Reader, n int64) (int64, error) {
	switch src := src.(type) {
	case *os.File:
		return s.sendfile(src, n)
	case *net.TCPConn:
		return s.spliceIn(src, n)
	case *net.UnixConn:
		return s.spliceIn(src, n)
	}
	return 0, nil
}

// sendfile sends n bytes of a regular file from where it stands, which moves on.
func (s *ktlsSocket) sendfile(src *os.File, n int64) (total int64, err error) {
	for total < n {
		var sent int
		err = kernel.Control(src, func(file int) error {
			sent, err = s.sendfileOnce(file, int(min(n-total, maxChunk)))
			return err
		})
		if err != nil {
			return total, s.named("write", err)
		}
		if sent <= 0 { // the file became shorter
			return total, nil
		}
		total += int64(sent)
	}
	return total, nil
}

// sendfileOnce waits for room up to the write deadline.
func (s *ktlsSocket) sendfileOnce(file, n int) (sent int, err error) {
	waitErr := s.rc.Write(func(fd uintptr) bool {
		sent, err = unix.Sendfile(int(fd), file, nil, n)
		return err != unix.EAGAIN
	})
	if waitErr != nil {
		return 0, waitErr
	}
	return sent, os.NewSyscallError("sendfile", err)
}

// spliceIn moves up to n bytes of a stream socket through a pipe.
func (s *ktlsSocket) spliceIn(src syscall.Conn, n int64) (total int64, err error) {
	rc, err := src.SyscallConn()
	if err != nil {
		return 0, err
	}
	p, err := newPipe()
	if err != nil {
		return 0, nil // it is copied instead
	}
	defer p.close()
	for total < n {
		if err := p.fillUpTo(rc, int(min(n-total, maxChunk))); err != nil || p.held == 0 {
			return total, err
		}
		held := p.held
		if err := p.drain(s); err != nil {
			return total + int64(held-p.held), s.named("write", err)
		}
		total += int64(held)
	}
	return total, nil
}

// splicer moves records to a stream socket through a pipe.
func (s *ktlsSocket) splicer(dst io.Writer) dtlsSplicer {
	var sc syscall.Conn
	switch dst := dst.(type) {
	case *net.TCPConn:
		sc = dst
	case *net.UnixConn:
		sc = dst
	default:
		return nil
	}
	p, err := newPipe()
	if err != nil {
		return nil
	}
	return &ktlsSplicer{s, sc, p}
}

type ktlsSplicer struct {
	sock *ktlsSocket
	dst  syscall.Conn
	pipe *pipe
}

// next moves a record. One that is not application data makes the module answer EIO: it must
// be read.
func (s *ktlsSplicer) next() (int64, error) {
	err := s.pipe.fill(s.sock.rc)
	switch {
	case errors.Is(err, unix.EIO), err == nil && s.pipe.held == 0:
		return 0, errNoSplice
	case err != nil:
		return 0, s.sock.named("read", err)
	}
	held := s.pipe.held
	err = s.pipe.drain(s.dst)
	return int64(held - s.pipe.held), err
}

func (s *ktlsSplicer) close() { s.pipe.close() }
