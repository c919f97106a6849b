package inspect

import (
	"bytes"
	"strings"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// redisReplies reads the server's messages.
type redisReplies struct {
	state     *redisState
	remaining uint64 // remaining values; a list adds its own
	nth       int    // of the next value
	prior     []byte // the string before, if it was short
	crlf      bool   // the end of a string's line is still missing
}

func (r *redisReplies) message(m *messages, b []byte) progress {
	line, ok := firstLine(b)
	switch {
	case !ok:
		return waits
	case r.crlf:
		if line == nil || len(line) > 0 {
			return fails
		}
		m.consume(2, asText)
		r.crlf = false
		r.valueEnds(m)
		return took
	case !respLine(line):
		return fails
	}
	switch line[0] {
	case '$', '=', '!':
		return r.text(m, b, line)
	case '*', '~', '>', '%', '|':
		return r.list(m, b, line)
	}
	r.begin(m, line, "")
	r.simple(m, line)
	r.valueEnds(m)
	return took
}

// begin records that a value begins: if none is in progress, it is a reply, or a message
// without a request, whose first word is pushed.
func (r *redisReplies) begin(m *messages, line []byte, pushed string) {
	if m.at != nil {
		return
	}
	*r = redisReplies{state: r.state, remaining: 1}
	asked := m.with.find("")
	confirms := strings.HasSuffix(pushed, "subscribe") && asked != nil && strings.HasSuffix(asked.ev.Op, "SUBSCRIBE")
	if pushed == "" && line[0] != '>' || confirms {
		m.answer("")
		m.at.ev.Status = redisStatus(line)
	} else {
		m.unasked("PUSH")
		m.at.secret = line[0] != '>' && !r.state.subscribed
		if m.at.ev.Status = pushed; pushed == "" {
			m.at.ev.Status = redisStatus(line)
		}
	}
	m.at.secret = m.at.secret || r.state.muted
}

// redisStatus is the content of the first line of a reply, except for texts.
func redisStatus(line []byte) string {
	rest := string(line[1:])
	names := map[byte]string{'*': "list of ", '~': "set of ", '%': "map of ", '>': "", '|': "attributes ", '+': "", '-': ""}
	name, list := names[line[0]]
	switch {
	case rest == "-1", line[0] == '_':
		return "nil"
	case list:
		return name + rest
	case line[0] == '$', line[0] == '=':
		return "string"
	case line[0] == '!':
		return "error"
	}
	return rest
}

// plainReplies carry no information.
var plainReplies = map[string]bool{"+OK": true, "+PONG": true, "+QUEUED": true}

// simple handles a value of one line.
func (r *redisReplies) simple(m *messages, line []byte) {
	secret := r.secret(m)
	if line[0] == '-' && secret { // it may quote its request
		word := bytes.IndexByte(line, ' ')
		if word < 0 {
			word = len(line)
		}
		word = min(word+1, len(line))
		m.consume(word, asText)
		m.consume(len(line)-word, asSecret)
	} else if line[0] == '+' && secret && !plainReplies[string(line)] {
		m.consume(1, asText)
		m.consume(len(line)-1, asSecret)
	} else {
		m.consume(len(line), asText)
		m.fresh()
	}
	if r.nth == 0 && (line[0] == '+' || line[0] == '-') {
		status, _, _ := bytes.Cut(m.shown(len(line))[1:], []byte(" *"))
		m.at.ev.Status = inOneLine(status, maxStatus)
	}
	m.consume(2, asText)
	m.fresh()
	r.prior = r.prior[:0]
}

// text handles a string, or announces it if it is long.
func (r *redisReplies) text(m *messages, b, line []byte) progress {
	n, ok := number(line[1:])
	if !ok && string(line[1:]) != "-1" {
		return fails // a string in parts, which no server sends
	}
	head := len(line) + 2
	if n <= shortRedis && ok && len(b) < head+int(n)+2 {
		return waits
	}
	r.begin(m, line, "")
	m.consume(head, asText)
	m.fresh()
	how := asText
	if r.secret(m) {
		how = asSecret
	}
	r.prior = r.prior[:0]
	switch {
	case !ok:
		r.valueEnds(m)
	case n > shortRedis:
		m.expect(n, how)
	default:
		value := b[head : head+int(n)]
		m.consume(int(n), how)
		m.fresh()
		r.prior = append(r.prior, value...)
		r.crlf = true
	}
	return took
}

// redisPushes are the first words of messages without a request. RESP 2 has no other way
// to recognise them.
var redisPushes = wordSet("message", "pmessage", "smessage", "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe",
	"sunsubscribe", "invalidate")

// pushed is the first word of a list that may be a message without a request, empty if it
// is a reply; false says that more bytes are needed.
func (r *redisReplies) pushed(m *messages, line, rest []byte) (string, bool) {
	may := line[0] == '>' || line[0] == '*' && (r.state.subscribed || m.with.uncertain || m.with.find("") == nil)
	if m.at != nil || !may || len(line) < 2 || line[1] == '0' || line[1] == '-' {
		return "", true
	}
	head, ok := firstLine(rest)
	if !ok {
		return "", false
	}
	n, ok := number(bytes.TrimPrefix(head, []byte("$")))
	switch {
	case !ok || head[0] != '$' || n > maxWord:
		return "", true
	case len(rest) < len(head)+2+int(n):
		return "", false
	}
	word := string(rest[len(head)+2:][:n])
	if !redisPushes[word] {
		word = ""
	}
	return word, true
}

func (r *redisReplies) expected(m *messages) {
	m.fresh()
	r.crlf = true
}

// list handles the line before the values of a list.
func (r *redisReplies) list(m *messages, b, line []byte) progress {
	n, ok := number(line[1:])
	if !ok && string(line[1:]) != "-1" || r.remaining > 1<<40 {
		return fails
	}
	pushed, whole := r.pushed(m, line, b[len(line)+2:])
	if !whole {
		return waits
	}
	r.begin(m, line, pushed)
	m.consume(len(line)+2, asText)
	m.fresh()
	switch line[0] {
	case '%':
		n *= 2
	case '|': // before the value that it describes
		n = 2*n + 1
	}
	r.remaining += n
	r.prior = r.prior[:0]
	r.valueEnds(m)
	return took
}

// secret reports whether the next value is one. Options may be anywhere in the replies to
// some commands; other replies contain only the requested values.
func (r *redisReplies) secret(m *messages) bool {
	if m.at.secret || len(r.prior) == 0 {
		return m.at.secret
	}
	return secretKey(r.prior) || (r.nth == 2 || tellOptions[m.at.ev.Op]) && isRedisOption(r.prior)
}

var tellOptions = wordSet("CONFIG", "SENTINEL", "EXEC")

func (r *redisReplies) valueEnds(m *messages) {
	r.nth++
	if r.remaining--; r.remaining == 0 {
		m.answers(finding.Complete)
	}
}

func (r *redisReplies) lost(*messages) { *r = redisReplies{state: r.state} }
