package inspect

import (
	"bytes"
	"math"
	"strings"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// redisRequests reads the client's requests.
type redisRequests struct {
	state     *redisState
	remaining uint64 // remaining arguments
	nth       int    // of the next
	name      string // of the command, in upper case
	prior     []byte // the argument before the next one, if it was short
	next      int    // how many of the next arguments are secrets
	key       bool   // the first argument is a key of secrets
	mute      string // the argument of CLIENT REPLY
	crlf      bool   // the end of an argument's line is still missing
}

// shortRedis is the greatest length up to which a string must be complete.
const shortRedis = 256

func (r *redisRequests) message(m *messages, b []byte) progress {
	line, ok := firstLine(b)
	switch {
	case !ok:
		return waits
	case r.crlf:
		return r.argumentEnds(m, line)
	case line == nil && b[0] != '\r':
		return fails
	case m.at != nil:
		return r.argument(m, b, line)
	case len(line) == 0:
		m.consume(2, asText)
		return took
	}
	return r.begin(m, line)
}

// begin handles the first line of a request: the number of its arguments, or all of
// them.
func (r *redisRequests) begin(m *messages, line []byte) progress {
	n, list := number(line[1:])
	if line[0] == '*' && !list {
		return fails
	}
	if list && n == 0 && line[0] == '*' { // servers skip it
		m.consume(len(line)+2, asText)
		return took
	}
	*r = redisRequests{state: r.state, remaining: n}
	m.beginRequest("")
	if line[0] == '*' {
		m.consume(len(line)+2, asText)
	} else {
		r.inline(m, line)
	}
	if r.remaining == 0 {
		r.done(m)
	}
	return took
}

// inline handles a command of one line; of one with a secret, only its name is shown.
func (r *redisRequests) inline(m *messages, line []byte) {
	secret := false
	for _, w := range bytes.Fields(line) {
		secret = r.isSecret(w) || secret
		r.knows(w)
	}
	r.remaining = 0
	words := bytes.IndexAny(line, " \t") + 1
	if words == 0 {
		words = len(line)
	}
	m.consume(words, asText)
	m.fresh()
	m.at.ev.Op = strings.ToUpper(inOneLine(m.shown(words), maxWord))
	m.at.secret = m.at.secret || secret
	how := asText
	if secret {
		how = asSecret
	}
	m.consume(len(line)-words, how)
	m.fresh()
	m.at.detail(m.shown(len(line) - words))
	m.consume(2, asText)
}

// argument handles an argument, or announces it if it is long.
func (r *redisRequests) argument(m *messages, b, line []byte) progress {
	n, ok := number(line[min(1, len(line)):])
	if !ok || line[0] != '$' {
		return fails
	}
	head := len(line) + 2
	if n > shortRedis {
		m.consume(head, asText)
		r.long(m, n)
		return took
	}
	if len(b) < head+int(n)+2 {
		return waits
	}
	m.consume(head, asText)
	arg := b[head : head+int(n)]
	how := asText
	switch {
	case r.isSecret(arg), r.isScript() && isSecretSQL(arg):
		how, m.at.secret = asSecret, true
	case r.isScript():
		how = asSecret
	}
	m.fresh()
	m.consume(len(arg), how)
	m.fresh()
	if r.nth == 0 {
		m.at.ev.Op = strings.ToUpper(inOneLine(m.shown(len(arg)), maxWord))
	} else {
		m.at.detail(m.shown(len(arg)))
	}
	r.knows(arg)
	m.at.secret = m.at.secret || r.asksSecret(arg)
	r.crlf = true
	return took
}

// long announces an argument that is shown as it arrives.
func (r *redisRequests) long(m *messages, n uint64) {
	how := asText
	switch {
	case r.isSecret(nil):
		how, m.at.secret = asSecret, true
	case r.isScript():
		how = asSecret
	}
	m.fresh()
	m.at.detail([]byte("..."))
	r.knows(nil)
	m.expect(n, how)
}

func (r *redisRequests) expected(m *messages) {
	m.fresh()
	r.crlf = true
}

// argumentEnds handles the end of an argument's line.
func (r *redisRequests) argumentEnds(m *messages, line []byte) progress {
	if line == nil || len(line) > 0 {
		return fails
	}
	m.consume(2, asText)
	r.crlf = false
	if r.remaining--; r.remaining == 0 {
		r.done(m)
	}
	return took
}

// done ends a request.
func (r *redisRequests) done(m *messages) {
	m.fresh()
	r.transaction(m.at)
	switch r.mute {
	case "ON":
		r.state.silent = 0
	case "OFF":
		r.state.muted, r.state.silent = true, math.MaxInt
	case "SKIP": // it has no reply either
		r.state.muted, r.state.silent = true, max(r.state.silent, 2)
	}
	if r.state.silent == 0 {
		m.endRequest()
		return
	}
	if r.state.silent != math.MaxInt {
		r.state.silent--
	}
	m.with.report(m.s, m.at, finding.Complete)
	m.at, m.count = nil, nil
}

// transaction: the replies of the commands between MULTI and EXEC come with that of
// EXEC.
func (r *redisRequests) transaction(c *call) {
	switch r.name {
	case "MULTI", "DISCARD":
		r.state.queued = false
	case "EXEC":
		c.secret = c.secret || r.state.queued
		r.state.queued = false
	default:
		r.state.queued = r.state.queued || c.secret
	}
}

func (r *redisRequests) lost(*messages) {
	r.state.queued = true // perhaps
	*r = redisRequests{state: r.state}
}

// knows records an argument; the content of a long one is not known.
func (r *redisRequests) knows(arg []byte) {
	word := strings.ToUpper(string(arg[:min(len(arg), shortRedis)]))
	switch {
	case r.nth == 0:
		r.name = word
		r.state.subscribed = r.state.subscribed || strings.HasSuffix(word, "SUBSCRIBE")
	case r.next > 0:
		r.next--
	case (r.name == "HELLO" || r.name == "MIGRATE") && word == "AUTH":
		r.next = 2
		if r.name == "MIGRATE" {
			r.next = 1
		}
	case r.name == "MIGRATE" && word == "AUTH2":
		r.next = 2
	case r.name == "CLIENT" && r.nth == 2 && bytes.EqualFold(r.prior, []byte("REPLY")):
		r.mute = word
	}
	r.key = r.key || r.nth == 1 && secretKey(arg)
	r.prior = append(r.prior[:0], arg...)
	r.nth++
}

// setOptions are words that follow the value of SET.
var setOptions = wordSet("EX", "PX", "EXAT", "PXAT", "NX", "XX", "GET", "KEEPTTL")

// isSecret reports whether the next argument is a secret: all arguments of AUTH, the
// argument after a secret's name, and all arguments after the key of a secret, because
// the position of the value depends on the command.
func (r *redisRequests) isSecret(arg []byte) bool {
	switch {
	case r.nth == 0:
		return false
	case r.name == "AUTH", r.next > 0:
		return true
	case r.name == "ACL" && r.nth > 2 && (len(arg) == 0 || bytes.IndexByte([]byte("><#!"), arg[0]) >= 0):
		return true
	case r.name == "CONFIG" || r.name == "SENTINEL":
		return isRedisOption(r.prior) || secretKey(r.prior)
	}
	option := r.name == "SET" && r.nth > 2 && setOptions[upper(arg)]
	return r.key && !option || r.nth > 1 && secretKey(r.prior)
}

// isScript reports whether the next argument may be a program, which can contain a
// secret anywhere.
func (r *redisRequests) isScript() bool {
	switch r.name {
	case "EVAL", "EVAL_RO":
		return r.nth == 1
	case "SCRIPT", "FUNCTION":
		return r.nth > 1
	}
	return false
}

// asksSecret reports whether the reply to a request with this argument is a secret.
func (r *redisRequests) asksSecret(arg []byte) bool {
	switch {
	case r.nth == 1: // the command
		return false
	case r.name == "ACL", r.name == "HVALS": // which has the values without their names
		return true
	case r.name == "CONFIG":
		return isRedisOption(arg)
	}
	return secretKey(arg)
}

// isRedisOption reports whether a word names an option with a password: requirepass,
// masterauth, tls-key-file-pass.
func isRedisOption(word []byte) bool {
	w := bytes.ToLower(word)
	return bytes.HasSuffix(w, []byte("pass")) || bytes.HasSuffix(w, []byte("auth"))
}

// secretKey reports whether a key or a field is that of a secret: the name after its
// last colon, dot or slash is that of a secret, or of several.
func secretKey(key []byte) bool {
	if i := bytes.LastIndexAny(key, ":./"); i >= 0 {
		key = key[i+1:]
	}
	var w word
	for _, c := range key {
		p := plain[c]
		if p == 0 {
			return false
		}
		w.add(p)
	}
	return secretMember(w.bytes()) || secretMember(bytes.TrimSuffix(w.bytes(), []byte("s")))
}
