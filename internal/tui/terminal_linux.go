package tui

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// leave switches off what the dashboard has switched on, on a terminal that may not take
// what is written to it: opened anew, it is written to without waiting.
func leave(out *os.File) {
	tty, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", out.Fd()), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = unix.Write(tty, []byte(leaveScreen)) // or not, if it is full
	_ = unix.Close(tty)
}
