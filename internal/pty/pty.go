// Package pty opens pseudo-terminals (pts(4)), for what runs or tests programs
// that want a screen.
package pty

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Open returns a new terminal and its other side, the master, which reads what
// is written to the terminal. Neither becomes the controlling terminal of the
// caller. The caller closes both.
func Open() (master, terminal *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	terminal, err = open(master)
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, terminal, nil
}

func open(master *os.File) (*os.File, error) {
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, os.NewSyscallError("TIOCSPTLCK", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, os.NewSyscallError("TIOCGPTN", err)
	}
	return os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
}

// Resize sets the terminal's size in characters; side is either side of it.
func Resize(side *os.File, columns, lines uint16) error {
	size := unix.Winsize{Col: columns, Row: lines}
	return os.NewSyscallError("TIOCSWINSZ", unix.IoctlSetWinsize(int(side.Fd()), unix.TIOCSWINSZ, &size))
}
