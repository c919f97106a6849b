package tui

import "strings"

// Terminal is what the environment says about the terminal.
type Terminal struct {
	// Dumb terminals cannot move the cursor: use Print instead of Run.
	Dumb bool
	// NoColor and ASCII are for Config.
	NoColor, ASCII bool
}

// TerminalFrom reads TERM, NO_COLOR (https://no-color.org) and the locale.
// getenv is os.Getenv. Where no locale is set, as on a machine that just booted,
// the terminal is taken for one of today, which shows UTF-8.
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
