package pty

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Stop does to a terminal what Ctrl-S does where it is not in raw mode.
func Stop(terminal *os.File) error {
	return os.NewSyscallError("TCXONC", unix.IoctlSetInt(int(terminal.Fd()), unix.TCXONC, unix.TCOOFF))
}

// Fill writes until a terminal whose master nobody reads takes no more. In raw
// mode, which a dashboard uses, a little more has room than before.
func Fill(master, terminal *os.File) (err error) {
	fd, err := unix.Open(terminal.Name(), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: terminal.Name(), Err: err}
	}
	defer unix.Close(fd)
	before, err := term.MakeRaw(fd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, term.Restore(fd, before)) }()
	for full := false; !full; runtime.Gosched() {
		held, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCINQ)
		if err != nil {
			return os.NewSyscallError("TIOCINQ", err)
		}
		full = held >= 4095 // the reader's own buffer: nothing moves into it any more
		for err == nil {
			_, err = unix.Write(fd, []byte("nobody reads this"))
		}
		if !errors.Is(err, unix.EAGAIN) {
			return os.NewSyscallError("write", err)
		}
	}
	return nil
}
