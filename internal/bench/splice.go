package bench

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeSize is the default size of a pipe (pipe(7)).
const pipeSize = 64 << 10

// pipe is the pipe between a file and a socket for splice(2).
type pipe struct{ r, w *os.File }

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	return &pipe{os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe")}, nil
}

func (p *pipe) close() {
	p.r.Close()
	p.w.Close()
}

// splice moves n bytes of a file to a socket. All pieces but the last are marked with "more
// follows", so that records and datagrams are full.
func (p *pipe) splice(to syscall.Conn, file *os.File, n int64) error {
	for n > 0 {
		held, err := moveTo(p.w, file, func(pipe, file int) (int64, error) { return spliceOnce(file, pipe, min(n, pipeSize), 0) })
		if err == nil && held == 0 {
			err = io.ErrUnexpectedEOF
		}
		for n -= held; held > 0 && err == nil; {
			var moved int64
			moved, err = moveTo(to, p.r, func(socket, pipe int) (int64, error) { return spliceOnce(pipe, socket, held, more(n)) })
			held -= moved
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func more(left int64) int {
	if left > 0 {
		return unix.SPLICE_F_MORE
	}
	return 0
}

func spliceOnce(from, to int, n int64, flags int) (int64, error) {
	moved, err := unix.Splice(from, nil, to, nil, int(n), flags)
	return max(int64(moved), 0), os.NewSyscallError("splice", err)
}

// moveTo calls move with the descriptors, and again when there is room if there was none.
func moveTo(to, from syscall.Conn, move func(to, from int) (int64, error)) (n int64, err error) {
	src, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	dst, err := to.SyscallConn()
	if err != nil {
		return 0, err
	}
	var moveErr, waitErr error
	err = src.Control(func(from uintptr) {
		waitErr = dst.Write(func(to uintptr) bool {
			n, moveErr = move(int(to), int(from))
			return !errors.Is(moveErr, unix.EAGAIN)
		})
	})
	return n, errors.Join(err, waitErr, moveErr)
}
