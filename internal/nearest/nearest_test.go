package nearest

import "testing"

func TestTo(t *testing.T) {
	words := []string{"list", "pid", "port", "payload-ring-bytes", "trace", "lat.encrypt"}
	for typed, want := range map[string]string{
		"trce": "trace", "tarce": "trace", "TRACE": "trace", "traces": "trace", "prot": "port", "por": "port", "pd": "pid",
		"lat.encript": "lat.encrypt", "payload": "payload-ring-bytes", "pa": "", "frobnicate": "", "foo": "", "": "", "x": "",
		"tls": "", "日本": "",
	} {
		if got := To(typed, words); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abcd", "badc", 2}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
