package inspect

import (
	"bytes"
	"slices"
)

// mayBeRESP reports whether b may begin in the middle of a message of redis, which may have
// a secret anywhere. The same applies to the following bytes, until a message is recognised.
func (g *guess) mayBeRESP(s *stream, b []byte) bool {
	if g.why == "" || s.conn.web || s.conn.tunnel {
		return false
	}
	g.resp = g.resp || redis.opening(s, false).port || slices.ContainsFunc(bytes.Split(b, []byte("\n")), isStringHead)
	if line, n := cutLine(b); !g.resp && n > 0 && g.plain.state == unknown && len(bytes.Trim(line, "0123456789")) == 0 {
		g.plain.verb.expect(1) // the string that this is the length of, perhaps
	}
	return g.resp
}

// isStringHead reports whether a line, without its line feed, precedes a string.
func isStringHead(line []byte) bool {
	if len(line) < len("$1\r") || line[0] != '$' || line[len(line)-1] != '\r' {
		return false
	}
	_, ok := number(line[1 : len(line)-1])
	return ok
}
