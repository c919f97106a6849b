// Package safe makes text that others chose (a task's name, a payload) fit for
// a terminal: nothing it returns moves a cursor, changes a colour, reverses the
// reading direction or takes a width that terminals disagree about.
package safe

import (
	"unicode"
	"unicode/utf8"
)

// Replacement stands for every character that is not shown.
const Replacement = '\uFFFD'

// String returns s with every byte that is not UTF-8 and every character that
// is not safe to print replaced by U+FFFD. It returns s itself, without
// allocating, when there is nothing to replace.
func String(s string) string {
	if clean(s) {
		return s
	}
	return string(Append(make([]byte, 0, len(s)+8), s))
}

// Append appends what String returns to dst.
func Append[T ~string | ~[]byte](dst []byte, s T) []byte {
	for _, r := range string(s) {
		if !Printable(r) {
			r = Replacement
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// clean reports whether String(s) is s.
func clean(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return cleanUnicode(s[i:])
		}
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func cleanUnicode(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError && !isReplacement(s[i:]) || !Printable(r) {
			return false
		}
	}
	return true
}

// isReplacement tells a real U+FFFD from the one that range makes of a bad byte.
func isReplacement(s string) bool {
	_, n := utf8.DecodeRuneInString(s)
	return n == 3
}

// Printable reports whether r takes the same, positive number of cells on
// every terminal and does nothing but appear.
func Printable(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	// IsPrint leaves out controls, the format characters (bidi overrides,
	// joiners, tags), line separators, private use and the unassigned.
	return unicode.IsPrint(r) && !unicode.In(r, unicode.M, joining)
}

// joining holds the printable characters that merge with their neighbours on
// some terminals and not on others, or are blank: Hangul's conjoining letters
// and fillers, emoji modifiers, regional indicators; and those whose width
// changed with Unicode 16 (trigrams, hexagrams, counting rods).
var joining = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x115f, Hi: 0x11ff, Stride: 1},
		{Lo: 0x2630, Hi: 0x2637, Stride: 1},
		{Lo: 0x268a, Hi: 0x268f, Stride: 1},
		{Lo: 0x2800, Hi: 0x2800, Stride: 1},
		{Lo: 0x3164, Hi: 0x3164, Stride: 1},
		{Lo: 0x4dc0, Hi: 0x4dff, Stride: 1},
		{Lo: 0xa960, Hi: 0xa97f, Stride: 1},
		{Lo: 0xd7b0, Hi: 0xd7ff, Stride: 1},
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1d300, Hi: 0x1d376, Stride: 1},
		{Lo: 0x1f1e6, Hi: 0x1f1ff, Stride: 1},
		{Lo: 0x1f3fb, Hi: 0x1f3ff, Stride: 1},
	},
}
