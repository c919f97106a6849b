package inspect

import "bytes"

// prompt looks in the lines of one direction for requests for credentials, in any
// protocol: 334 of SMTP (RFC 4954 §4), + of IMAP and POP3. The line that answers is a
// secret, even if the command before it was not seen.
type prompt struct {
	head     [len("334 ")]byte // the first bytes of the line
	n        int               // bytes of the line so far
	isPrompt bool              // the last complete line does
}

// read handles the next bytes.
func (p *prompt) read(b []byte) {
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
		if j := bytes.LastIndexByte(b[:i], '\n'); j >= 0 {
			b, i, p.n = b[j+1:], i-j-1, 0
		}
		p.add(b[:i+1])
		p.isPrompt = isPrompt(p.head[:min(p.n, len(p.head))])
		b, p.n = b[i+1:], 0
	}
	p.add(b)
}

func (p *prompt) add(b []byte) {
	copy(p.head[min(p.n, len(p.head)):], b)
	p.n += len(b)
}

// isPrompt reports whether a line with this beginning asks for credentials.
func isPrompt(head []byte) bool {
	word := bytes.TrimRight(head, "\r\n")
	word, _ = firstWord(word)
	return string(word) == "334" || string(word) == "+"
}

// answers masks the line that answers a request of the other direction, and records
// requests of this one.
func (g *guess) answers(s *stream, b []byte) {
	if other, ok := s.conn.streams[s.dir^1].decoder.(*guess); ok && other.prompt.isPrompt {
		other.prompt.isPrompt = false
		g.plain.verb.expect(1)
	}
	g.prompt.read(b)
}
