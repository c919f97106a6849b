package tui

import "testing"

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
