package vm

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// A terminal is the terminal that vmrun was started in, if any.
type terminal struct {
	interactive bool // stdin and stdout both are a terminal
	stderr      bool
}

func newTerminal() *terminal {
	return &terminal{
		interactive: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
		stderr:      term.IsTerminal(int(os.Stderr.Fd())),
	}
}

func (t *terminal) size() winsize {
	cols, rows, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return winsize{24, 80}
	}
	return winsize{uint16(rows), uint16(cols)}
}

// begin sets the terminal to raw mode and reports changes of its size, until restore is called.
func (t *terminal) begin() (resize <-chan winsize, restore func(), err error) {
	if !t.interactive {
		return nil, func() {}, nil
	}
	old, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		return nil, nil, os.NewSyscallError("tcsetattr", err)
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	sizes, stop := make(chan winsize), make(chan struct{})
	go func() {
		for {
			select {
			case <-changed:
			case <-stop:
				return
			}
			select {
			case sizes <- t.size():
			case <-stop:
				return
			}
		}
	}()
	return sizes, func() {
		signal.Stop(changed)
		close(stop)
		term.Restore(int(os.Stdin.Fd()), old)
	}, nil
}
