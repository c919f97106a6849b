package inspect

import (
	"bytes"
	"strings"
)

// Common parts of mail protocols: lines that end with CR LF, or with LF alone if a
// program is careless.

// cutLine returns the first line of b without its end, and its length including that; n
// is 0 if the line is not complete.
func cutLine(b []byte) (line []byte, n int) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b, 0
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), i + 1
}

// firstWord splits a line after its first word and the space that follows.
func firstWord(line []byte) (word, rest []byte) {
	i := bytes.IndexByte(line, ' ')
	if i < 0 {
		return line, nil
	}
	return line[:i], line[i+1:]
}

// upper returns a word in the form in which commands are looked up.
func upper(word []byte) string { return strings.ToUpper(string(word[:min(len(word), maxWord)])) }

// isWord reports whether a command can have this name.
func isWord(b []byte) bool {
	for _, c := range b {
		if plain[c] == 0 {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxWord
}

// beginsCommand looks for a line that begins with one of the commands.
func beginsCommand(b []byte, commands map[string]bool) verdict {
	line, n := cutLine(b)
	line = bytes.TrimSuffix(line, []byte("\r"))
	word, _ := firstWord(line)
	switch {
	case n == 0 && len(word) == len(line): // the word itself may go on
		for c := range commands {
			if strings.HasPrefix(c, upper(word)) {
				return perhaps
			}
		}
		return no
	case !commands[upper(word)] || !isText(line):
		return no
	}
	return ofClient
}

// command consumes a line of n bytes, whose first words bytes are not secret; how says
// how the rest is shown.
func (m *messages) command(n, words int, how treatment) {
	words = min(words, n)
	m.fresh()
	m.consume(words, asText)
	m.fresh()
	m.consume(n-words, how)
	m.fresh()
}

// dotted follows text of many lines up to a line with a single dot, RFC 5321 §4.5.2,
// RFC 1939 §3.
type dotted struct{ within bool }

// consume consumes the lines that are there; done says that the dot came.
func (d *dotted) consume(m *messages, b []byte) (how progress, done bool) {
	if !d.within && b[0] == '.' {
		line, n := cutLine(b)
		switch {
		case n == 0 && len(b) < len(".\r\n"):
			return waits, false
		case n > 0 && len(line) == 1:
			m.fresh()
			m.consume(n, asText)
			return took, true
		}
	}
	n := bytes.IndexByte(b, '\n') + 1
	if d.within = n == 0; d.within {
		n = len(b)
	}
	m.consume(n, asText)
	return took, false
}

func wordSet(all ...string) map[string]bool {
	m := map[string]bool{}
	for _, w := range all {
		m[w] = true
	}
	return m
}

// mechanisms are the SASL mechanisms of mail programs; SCRAM has many names.
var mechanisms = wordSet("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "GSSAPI", "NTLM", "EXTERNAL", "ANONYMOUS", "XOAUTH2", "OAUTHBEARER")

// mechanism is how many bytes of the arguments of AUTH are not secret: the mechanism's
// name, if it is one.
func mechanism(args []byte) int {
	name, _ := firstWord(args)
	if w := upper(name); mechanisms[w] || strings.HasPrefix(w, "SCRAM-") {
		return len(name) + 1
	}
	return 0
}

// sasl reports whether answers to challenges may follow: not if the line has that of
// PLAIN already.
func sasl(args []byte) bool {
	name, answer := firstWord(args)
	return !strings.EqualFold(string(name), wholeMechanism) || len(answer) == 0
}

// unknownOp is an unknown command. It can be anything, a secret too, so none of it is
// shown.
const unknownOp = "unknown"
