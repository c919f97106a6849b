package safe

import (
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// narrow measures without looking at the locale: what East Asian standards call
// ambiguous takes one column, as terminals have it by default.
var narrow = &runewidth.Condition{}

// RuneWidth is the number of columns, 1 or 2, that a printable r takes.
func RuneWidth(r rune) int {
	if r >= ' ' && r < 0x7f {
		return 1
	}
	return narrow.RuneWidth(r)
}

// Width is the number of columns that s takes, which must be safe already.
func Width[T ~string | ~[]byte](s T) (n int) {
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			n++
			i++
			continue
		}
		r, size := decode(s[i:])
		n += RuneWidth(r)
		i += size
	}
	return n
}

// Prefix returns the number of bytes of s that fit width columns, and how many
// columns those take.
func Prefix[T ~string | ~[]byte](s T, width int) (size, used int) {
	for size < len(s) {
		r, n := decode(s[size:])
		w := RuneWidth(r)
		if used+w > width {
			break
		}
		size, used = size+n, used+w
	}
	return size, used
}

func decode[T ~string | ~[]byte](s T) (rune, int) {
	var b [utf8.UTFMax]byte
	n := copy(b[:], s)
	return utf8.DecodeRune(b[:n])
}
