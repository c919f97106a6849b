package inspect

import (
	"fmt"
	"regexp"
	"strings"
)

// secretHeaders are the header fields whose values are masked, in lower case.
var secretHeaders = []string{"authorization", "cookie", "proxy-authorization", "set-cookie"}

// maxName is the length of the longest of them.
const maxName = len("proxy-authorization")

// Rules say what is masked: the values of the secret header fields, and what
// patterns match.
type Rules struct {
	off      bool
	patterns []*regexp.Regexp
}

// NewRules compiles patterns. Each is matched with every line of the plaintext
// by itself, and with header fields of HTTP/2 as "name: value".
func NewRules(patterns []string) (*Rules, error) {
	r := &Rules{}
	for _, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", p, err)
		}
		if re.MatchString("") {
			return nil, fmt.Errorf("pattern %q matches the empty string, so everywhere", p)
		}
		r.patterns = append(r.patterns, re)
	}
	return r, nil
}

// NoRules masks nothing.
func NoRules() *Rules { return &Rules{off: true} }

// String lists what is masked.
func (r *Rules) String() string {
	if r.off {
		return "nothing"
	}
	s := "the values of " + strings.Join(secretHeaders, ", ")
	for _, p := range r.patterns {
		s += ", /" + p.String() + "/"
	}
	return s
}

// secret reports whether the header field of this name, in lower case, is.
func (r *Rules) secret(name string) bool {
	for _, s := range secretHeaders {
		if s == name {
			return true
		}
	}
	return false
}

// field masks a header field that is not part of a stream of lines.
func (r *Rules) field(name, value string) (string, string) {
	if r.off {
		return name, value
	}
	line := []byte(name + ": " + value)
	out := []byte(string(line))
	if r.secret(strings.ToLower(name)) {
		blot(out[len(name)+2:])
	}
	r.match(line, func(from, to int) { blot(out[from:to]) })
	return string(out[:len(name)]), string(out[len(name)+2:])
}

// match calls hit for each stretch of a line that a pattern matches.
func (r *Rules) match(line []byte, hit func(from, to int)) {
	for _, p := range r.patterns {
		for _, m := range p.FindAllIndex(line, -1) {
			hit(m[0], m[1])
		}
	}
}

// blot masks every byte.
func blot(b []byte) {
	for i := range b {
		b[i] = '*'
	}
}
