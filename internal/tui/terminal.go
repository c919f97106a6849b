package tui

import (
	"os"
	"strings"

	"golang.org/x/term"
)

// Terminal is the terminal as the environment describes it.
type Terminal struct {
	// Dumb terminals cannot move the cursor: use Print instead of Run.
	Dumb bool
	// NoColor and ASCII are for Config.
	NoColor, ASCII bool
}

// TerminalFrom reads TERM, NO_COLOR (https://no-color.org) and the locale. getenv is
// os.Getenv. If no locale is set, as on a machine that just booted, it assumes that the
// terminal shows UTF-8.
func TerminalFrom(getenv func(string) string) Terminal {
	dumb := getenv("TERM") == "dumb"
	return Terminal{
		Dumb:    dumb,
		NoColor: dumb || getenv("NO_COLOR") != "",
		ASCII:   dumb || !utf8Locale(getenv),
	}
}

// utf8Locale looks at the variables in the order that setlocale(3) does.
func utf8Locale(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// leaveScreen undoes what a dashboard sets: it turns the mouse and the alternate screen off,
// and the cursor on.
const leaveScreen = "\x1b[?1006l\x1b[?1003l\x1b[?1002l\x1b[?2004l\x1b[?1049l\x1b[?25h"

// RestoreTerminal returns a function that restores the terminal to its current state, even if
// the terminal does not read what is written to it.
func RestoreTerminal(in, out *os.File) func() {
	before, err := term.GetState(int(in.Fd()))
	return func() {
		if err == nil {
			_ = term.Restore(int(in.Fd()), before) // without waiting for what is still to be shown
		}
		leave(out)
	}
}
