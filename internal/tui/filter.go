package tui

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Filter chooses what the dashboard shows. All its terms must hold.
type Filter struct {
	terms []term
	buf   []byte // for the values being looked at
}

// term is one condition; without a field it is a word to be found anywhere.
type term struct {
	field string
	op    string
	value string
}

// operators in the order in which they are looked for.
var operators = []string{"==", "!=", ">=", "<=", "=", ">", "<"}

// ParseFilter reads conditions such as "pid==42 && port!=443 nginx": words to be
// found anywhere, without regard to case, and comparisons of the command line's
// words. They are joined by blanks or &&.
func ParseFilter(s string) (*Filter, error) {
	f := &Filter{}
	for _, word := range strings.Fields(strings.ReplaceAll(s, "&&", " ")) {
		t, err := parseTerm(word)
		if err != nil {
			return nil, err
		}
		f.terms = append(f.terms, t)
	}
	return f, nil
}

func parseTerm(word string) (term, error) {
	for _, op := range operators {
		field, value, found := strings.Cut(word, op)
		if !found {
			continue
		}
		if _, ok := fields[field]; !ok {
			return term{}, fmt.Errorf("filter by %q: no such field", field)
		}
		if op == "=" {
			op = "=="
		}
		return checkTerm(term{field: field, op: op, value: strings.ToLower(value)})
	}
	return term{value: strings.ToLower(word)}, nil
}

func checkTerm(t term) (term, error) {
	if t.op[0] != '<' && t.op[0] != '>' {
		return t, nil
	}
	if _, err := strconv.ParseUint(t.value, 10, 64); err != nil {
		return t, fmt.Errorf("filter by %s%s: %q is no number", t.field, t.op, t.value)
	}
	return t, nil
}

func (f *Filter) empty() bool { return f == nil || len(f.terms) == 0 }

func (f *Filter) match(s *subject) bool {
	for i := range f.terms {
		if !f.holds(&f.terms[i], s) {
			return false
		}
	}
	return true
}

func (f *Filter) holds(t *term, s *subject) bool {
	f.buf = f.buf[:0]
	if t.field != "" {
		f.buf = fields[t.field](f.buf, s)
		return t.among(lower(f.buf)) != (t.op == "!=")
	}
	for _, field := range anywhere {
		f.buf = fields[field](f.buf, s)
	}
	return bytes.Contains(lower(f.buf), []byte(t.value))
}

// lower makes b lower case, in place where it is ASCII.
func lower(b []byte) []byte {
	for i, c := range b {
		switch {
		case c >= utf8.RuneSelf:
			return bytes.ToLower(b)
		case c >= 'A' && c <= 'Z':
			b[i] += 'a' - 'A'
		}
	}
	return b
}

// among tells whether t names one of the values.
func (t *term) among(values []byte) bool {
	for len(values) > 0 {
		v, rest, _ := bytes.Cut(values, []byte{separator})
		if t.compare(v) {
			return true
		}
		values = rest
	}
	return false
}

// compare tells whether v is what t names; for != that it is, too.
func (t *term) compare(v []byte) bool {
	if t.op == "==" || t.op == "!=" {
		return string(v) == t.value
	}
	a, err := strconv.ParseUint(string(v), 10, 64)
	b, _ := strconv.ParseUint(t.value, 10, 64)
	if err != nil {
		return false
	}
	switch t.op {
	case ">":
		return a > b
	case "<":
		return a < b
	case ">=":
		return a >= b
	}
	return a <= b
}
