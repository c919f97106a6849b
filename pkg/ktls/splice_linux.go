package ktls

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spliceOut moves application data to dst through a pipe, until the end of the stream or for
// limit bytes.
func (k *kernelLayer) spliceOut(dst io.Writer, limit int64) (total int64, err error) {
	sock, ok := k.sock.(*tcpSocket)
	to := spliceTarget(dst)
	if !ok || to == nil {
		return k.copyOut(dst, limit)
	}
	p, err := newPipe()
	if err != nil {
		return k.copyOut(dst, limit)
	}
	defer p.close()
	k.readMu.Lock()
	defer k.readMu.Unlock()
	for total < limit {
		n, err := k.spliceRecord(sock, p, to, limit-total)
		total += n
		if err == nil && p.held > 0 {
			err = to.drain(p)
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total - int64(p.held), err
		}
	}
	return total, nil
}

// target is a destination of spliced bytes.
type target interface {
	io.Writer // for bytes that must be copied
	// drain moves all of the pipe, waiting for room up to the write deadline.
	drain(p *pipe) error
}

// spliceTarget returns nil if bytes for dst must be copied. The handshake of a Conn must be
// complete.
func spliceTarget(dst io.Writer) target {
	switch dst := dst.(type) {
	case *net.TCPConn:
		return socketTarget{dst, dst}
	case *net.UnixConn:
		return socketTarget{dst, dst}
	case *Conn:
		if k, ok := dst.layer.(*kernelLayer); ok && k.takesSplice() {
			return k
		}
	}
	return nil
}

// socketTarget is a socket without TLS.
type socketTarget struct {
	io.Writer
	conn syscall.Conn
}

func (t socketTarget) drain(p *pipe) error { return p.drain(t.conn) }

func (k *kernelLayer) takesSplice() bool {
	_, ok := k.sock.(*tcpSocket)
	return ok
}

// drain seals the pipe's bytes, as Write does its own.
func (k *kernelLayer) drain(p *pipe) error {
	k.writing.lock()
	defer k.writing.unlock()
	if err := k.ready(recordsOf(p.held, true)); err != nil {
		return err
	}
	return p.drain(k.sock.(*tcpSocket))
}

// spliceRecord moves up to most bytes of data into the pipe and returns their number, which is
// 0 for a record without data. For a record of another type splice(2) fails with EINVAL, and
// at the end of the stream it returns 0. In both cases the record is read instead; data that
// has arrived in the meantime is written to w. The caller holds readMu.
func (k *kernelLayer) spliceRecord(sock *tcpSocket, p *pipe, w io.Writer, most int64) (int64, error) {
	if k.readErr != nil {
		return 0, k.readErr
	}
	if len(k.pending.buf) == 0 {
		err := p.fillUpTo(sock.rc, int(min(most, maxChunk)))
		if p.held > 0 {
			k.useless = 0
			return int64(p.held), nil
		}
		if err != nil && !errors.Is(err, unix.EINVAL) {
			return 0, k.spliceFailed(sock, err)
		}
	}
	buf := make([]byte, min(most, maxPlaintext))
	n, err := k.readRecord(buf)
	if err != nil || n == 0 {
		return 0, err
	}
	m, err := w.Write(buf[:n])
	return int64(m), err
}

// spliceFailed names a failed splice as a failed read would be.
func (k *kernelLayer) spliceFailed(sock *tcpSocket, err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		err = sock.recvError(errno)
	}
	return k.recvFailed(err)
}

// pipe is the kernel buffer between the two sockets.
type pipe struct {
	r, w int
	held int // bytes in it
}

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	return &pipe{r: fds[0], w: fds[1]}, nil
}

func (p *pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

const spliceFlags = unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE

// fill moves what the socket has into the empty pipe, waiting for it up to the read
// deadline.
func (p *pipe) fill(src syscall.RawConn) error { return p.fillUpTo(src, maxChunk) }

func (p *pipe) fillUpTo(src syscall.RawConn, most int) error {
	var n int64
	var err error
	waitErr := src.Read(func(fd uintptr) bool {
		n, err = splice(int(fd), p.w, most)
		return err != unix.EAGAIN
	})
	if waitErr != nil {
		return renamed("read", waitErr)
	}
	p.held = int(n)
	return os.NewSyscallError("splice", err)
}

// drain moves all of the pipe to dst.
func (p *pipe) drain(dst syscall.Conn) error {
	rc, err := dst.SyscallConn()
	if err != nil {
		return err
	}
	var spliceErr error
	waitErr := rc.Write(func(fd uintptr) bool {
		for p.held > 0 && spliceErr == nil {
			var n int64
			n, spliceErr = splice(p.r, int(fd), p.held)
			p.held -= int(n)
		}
		if spliceErr == unix.EAGAIN {
			spliceErr = nil
			return false
		}
		return true
	})
	if waitErr != nil {
		return renamed("write", waitErr)
	}
	return os.NewSyscallError("splice", spliceErr)
}

func splice(from, to, n int) (int64, error) {
	for {
		moved, err := unix.Splice(from, nil, to, nil, n, spliceFlags)
		if err != unix.EINTR {
			return max(int64(moved), 0), err
		}
	}
}
