package safe

import (
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// TestWidthsAgree compares with the library that the dashboard's renderer cuts
// its lines with: a character that they see differently must not be printable.
func TestWidthsAgree(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !Printable(r) {
			continue
		}
		if got, want := RuneWidth(r), ansi.StringWidth(string(r)); got != want || got < 1 {
			t.Errorf("%U: width %d, ansi says %d", r, got, want)
		}
	}
}

func FuzzWidth(f *testing.F) {
	f.Add("日本 nginx 👩💻", 5)
	f.Fuzz(func(t *testing.T, in string, width int) {
		s := String(in)
		if got, want := Width(s), ansi.StringWidth(s); got != want {
			t.Errorf("%q: width %d, ansi says %d", s, got, want)
		}
		size, used := Prefix(s, width)
		if !utf8.ValidString(s[:size]) || Width(s[:size]) != used || used > max(width, 0) {
			t.Errorf("%q: prefix of %d columns is %q, %d", s, width, s[:size], used)
		}
	})
}
