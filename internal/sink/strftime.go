package sink

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// layouts are strftime(3)'s conversions in Go's words.
var layouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'j': "002", 'H': "15", 'I': "03", 'M': "04", 'S': "05",
	'p': "PM", 'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'z': "-0700", 'Z': "MST",
	'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06",
}

// strftime writes a time into a file's name. Names of days and months are English.
func strftime(format string, t time.Time) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		if i++; i == len(format) {
			return "", fmt.Errorf("%q ends with a %%: write %%%% for the sign itself", format)
		}
		switch c := format[i]; {
		case c == '%':
			b.WriteByte('%')
		case c == 's':
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		case layouts[c] != "":
			b.WriteString(t.Format(layouts[c]))
		default:
			return "", fmt.Errorf("%q: %%%c is not a part of time", format, c)
		}
	}
	return b.String(), nil
}
