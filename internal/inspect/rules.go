package inspect

import (
	"fmt"
	"regexp"

	"golang.org/x/net/http2/hpack"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// Rules say what is masked: the names of masks.go, and the matches of patterns.
type Rules struct {
	off      bool
	patterns []*regexp.Regexp
}

// NewRules compiles patterns. Each is matched with every single line of the plaintext,
// and with header fields of HTTP/2 as "name: value".
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

// String says what is masked.
func (r *Rules) String() string {
	if r.off {
		return "nothing"
	}
	s := "header fields, URL parameters, members of JSON and commands with credentials"
	for _, p := range r.patterns {
		s += ", /" + p.String() + "/"
	}
	return s
}

// field masks a field of HTTP/2 as if it were a line of text.
func (r *Rules) field(f hpack.HeaderField) finding.Header {
	if r.off {
		return finding.Header{Name: f.Name, Value: f.Value}
	}
	line := f.Name + ": " + f.Value + "\n"
	s := &stream{rules: r, raw: []byte(line), shown: []byte(line)}
	// A line break within would separate the value from its name.
	for i, c := range s.raw[:len(line)-1] {
		if c == '\n' {
			s.raw[i] = ' '
		}
	}
	var m masker
	m.write(s, 0, s.end())
	name, value := s.shown[:len(f.Name)], s.shown[len(f.Name)+2:len(line)-1]
	if f.Sensitive { // never indexed, RFC 7541 §7.1.3
		maskAll(value)
	}
	return finding.Header{Name: string(name), Value: string(value)}
}

// match calls hit for each stretch of a line that a pattern matches.
func (r *Rules) match(line []byte, hit func(from, to int)) {
	for _, p := range r.patterns {
		for _, m := range p.FindAllIndex(line, -1) {
			hit(m[0], m[1])
		}
	}
}

// maskAll masks every byte.
func maskAll(b []byte) {
	for i := range b {
		b[i] = '*'
	}
}
