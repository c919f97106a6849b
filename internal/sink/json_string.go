package sink

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped appends the inside of a JSON string (RFC 8259 §7): controls as
// \u00XX, what is not UTF-8 as U+FFFD. DEL, the C1 controls and U+2028/9 are
// legal, as are the bidi controls, but would act on a terminal or a script, so
// they are escaped as well.
func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	start := 0
	for i := 0; i < len(s); {
		if b := s[i]; b < utf8.RuneSelf {
			if b < ' ' || b == '"' || b == '\\' || b == 0x7f {
				dst = append(dst, s[start:i]...)
				dst = appendEscape(dst, rune(b))
				start = i + 1
			}
			i++
			continue
		}
		r, n := decode(s[i:])
		if r == utf8.RuneError || acts(r) {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, r)
			start = i + n
		}
		i += n
	}
	return append(dst, s[start:]...)
}

// acts reports whether r, from U+0080 on, does something rather than appear.
func acts(r rune) bool {
	return r <= 0x9f || r == 0x61c || r == 0x200e || r == 0x200f ||
		r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff
}

// decode reads the first character of s, which is at least one byte long.
func decode[T string | []byte](s T) (rune, int) {
	var b [utf8.UTFMax]byte
	n := copy(b[:], s)
	return utf8.DecodeRune(b[:n])
}

func appendEscape(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r == '\n':
		return append(dst, '\\', 'n')
	case r == utf8.RuneError:
		return utf8.AppendRune(dst, r)
	}
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
