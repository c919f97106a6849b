package tui

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/ktlstop/ktlstop/internal/pty"
)

// TestGiveBack: the settings are what they were and the screen is left, also on a
// terminal that takes nothing, which nobody waits for.
func TestGiveBack(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		master, terminal, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer master.Close()
		defer terminal.Close()
		before := settings(t, terminal)
		giveBack := RestoreTerminal(terminal, terminal)
		if _, err := term.MakeRaw(int(terminal.Fd())); err != nil {
			t.Fatal(err)
		}
		if stopped {
			if err := unix.IoctlSetInt(int(terminal.Fd()), unix.TCXONC, unix.TCOOFF); err != nil {
				t.Fatal(err)
			}
		}
		giveBack()
		if after := settings(t, terminal); after != before {
			t.Errorf("the settings were %+v, are %+v", before, after)
		}
		if stopped {
			continue
		}
		shown := make([]byte, len(leaveScreen))
		if n, err := master.Read(shown); err != nil || string(shown[:n]) != leaveScreen {
			t.Errorf("the terminal got %q, %v", shown[:n], err)
		}
	}
}

func settings(t *testing.T, terminal *os.File) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

func TestTerminalFrom(t *testing.T) {
	type env map[string]string
	for _, c := range []struct {
		env  env
		want Terminal
	}{
		{env{}, Terminal{}},
		{env{"TERM": "xterm-256color", "LANG": "de_DE.UTF-8"}, Terminal{}},
		{env{"LC_ALL": "C.utf8", "LANG": "C"}, Terminal{}},
		{env{"LANG": "C"}, Terminal{ASCII: true}},
		{env{"LC_CTYPE": "POSIX", "LANG": "en_US.UTF-8"}, Terminal{ASCII: true}},
		{env{"NO_COLOR": "1"}, Terminal{NoColor: true}},
		{env{"TERM": "dumb"}, Terminal{Dumb: true, NoColor: true, ASCII: true}},
	} {
		if got := TerminalFrom(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.env, got, c.want)
		}
	}
}
