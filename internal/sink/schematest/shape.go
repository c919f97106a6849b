package schematest

import (
	"bytes"
	"sync"
	"testing"
)

// valid are the shapes of lines that were good.
var valid sync.Map

// ValidateShape is Validate for thousands of lines of a few shapes: of each shape
// one line is checked, since a check takes twenty times as long as decoding does.
// The bounds of numbers are therefore not checked of every line.
func ValidateShape(t testing.TB, line []byte) {
	t.Helper()
	s := shape(line)
	if _, known := valid.Load(s); known {
		return
	}
	if err := Check(line); err != nil {
		t.Error(err)
		return
	}
	valid.Store(s, true)
}

// longString is what a string has at least, in bytes, that is plaintext and no word.
const longString = 64

// shape is a line without what its numbers are, but for which of them are 0, and
// without plaintext, which is what is called data and all long strings.
func shape(line []byte) string {
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == '"':
			end := stringEnd(line, i)
			if end-i < longString && !bytes.HasSuffix(out, []byte(`"data":`)) {
				out = appendWord(out, line[i:end])
			} else {
				out = append(out, `"..."`...)
			}
			i = end
		case isDigit(c):
			out, i = appendNumber(out, line, i)
		default:
			out = append(out, c)
			i++
		}
	}
	return string(out)
}

// stringEnd is where the string is over that begins at i.
func stringEnd(line []byte, i int) int {
	for i++; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(line)
}

// appendWord appends a string with 9 for each number in it, as in addresses and times.
func appendWord(out, word []byte) []byte {
	for i := 0; i < len(word); {
		if !isDigit(word[i]) {
			out = append(out, word[i])
			i++
			continue
		}
		_, i = appendNumber(nil, word, i)
		out = append(out, '9')
	}
	return out
}

// appendNumber appends 0 for the number at i if it is 0, else 9, and returns where it ends.
func appendNumber(out, line []byte, i int) ([]byte, int) {
	digit := byte('0')
	for ; i < len(line) && isDigit(line[i]); i++ {
		if line[i] != '0' {
			digit = '9'
		}
	}
	return append(out, digit), i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
