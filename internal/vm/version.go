package vm

import "strings"

// compareVersions orders Debian versions without an epoch as deb-version(7) says: stretches of non-digits and of
// digits alternate, "~" sorts before everything, letters before other characters, numbers by value.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = splitWhile(a, func(c byte) bool { return !isDigit(c) })
		y, b = splitWhile(b, func(c byte) bool { return !isDigit(c) })
		if c := compareText(x, y); c != 0 {
			return c
		}
		x, a = splitWhile(a, isDigit)
		y, b = splitWhile(b, isDigit)
		if c := compareNumber(x, y); c != 0 {
			return c
		}
	}
	return 0
}

func splitWhile(s string, ok func(byte) bool) (head, tail string) {
	i := 0
	for i < len(s) && ok(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func compareText(a, b string) int {
	for i := 0; i < len(a) || i < len(b); i++ {
		if d := rank(a, i) - rank(b, i); d != 0 {
			return d
		}
	}
	return 0
}

// rank is a character's weight; the end of the text weighs 0, so that "~" comes before it.
func rank(s string, i int) int {
	switch {
	case i >= len(s):
		return 0
	case s[i] == '~':
		return -1
	case s[i] >= 'A' && s[i] <= 'Z', s[i] >= 'a' && s[i] <= 'z':
		return int(s[i])
	}
	return int(s[i]) + 256
}

func compareNumber(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
