// Package match implements the language of --match and of the dashboard's filter: it parses
// an expression over the fields of a record, checks its types and evaluates it. pkg/loader
// compiles the same expression to BPF; this package is the reference for its results.
package match

import (
	"net/netip"
	"strconv"
	"strings"
)

// Limits of an expression. The kernel's verifier accepts every expression within them.
const (
	MaxLength   = 1024 // bytes
	MaxDepth    = 16   // parentheses and nots in each other
	MaxValues   = 64   // values compared with
	MaxPayload  = 16   // tests of the payload
	MaxNeedle   = 16   // bytes that payload contains
	Window      = 256  // first bytes of the plaintext that payload sees
	maxCommLen  = 15   // the kernel keeps no more of a name
	maxTextSize = 64   // bytes of any other string
	maxNameSize = 255  // but of names: the longest that a file has
)

// Expr is a checked expression. It is never changed.
type Expr struct {
	// Root is the tree; nil matches everything.
	Root Node
	// PayloadTests are the tests of the payload, by their Index.
	PayloadTests []*Test
}

// Node is one of *And, *Or, *Not, *Test and *Word.
type Node interface {
	String() string
	eval(*Subject) Answer
}

// And holds where all of X hold.
type And struct{ X []Node }

// Or holds where one of X holds.
type Or struct{ X []Node }

// Not holds where X does not.
type Not struct{ X Node }

// Operator is how a test compares.
type Operator uint8

// The operators. In and NotIn stand for == and != too.
const (
	In Operator = iota
	NotIn
	Less
	LessEqual
	Greater
	GreaterEqual
	Contains
)

// Test compares a field with values of its kind.
type Test struct {
	Field Field
	Op    Operator
	Nums  []uint64       // numbers, names, versions; durations in nanoseconds
	Texts []string       // comm, container, unit, namespace, pod, payload
	Nets  []netip.Prefix // addresses; IPv4 is never mapped
	// From and To bound a slice of the payload; To is 0 for the whole.
	From, To int
	// Index numbers the tests of the payload.
	Index int

	values []string // as written
}

var operators = [...]string{In: "==", NotIn: "!=", Less: "<", LessEqual: "<=", Greater: ">", GreaterEqual: ">=", Contains: "contains"}

// String returns the expression in one way of writing; Parse reads it back.
func (e *Expr) String() string {
	if e.Root == nil {
		return ""
	}
	return e.Root.String()
}

func (a *And) String() string  { return join(a.X, " and ", group) }
func (o *Or) String() string   { return join(o.X, " or ", alternative) }
func (n *Not) String() string  { return "not " + group(n.X) }
func (w *Word) String() string { return quote(w.Text) }

func join(nodes []Node, by string, write func(Node) string) string {
	var all []string
	for _, n := range nodes {
		all = append(all, write(n))
	}
	return strings.Join(all, by)
}

// alternative needs no parentheses round and, which binds closer than or.
func alternative(n Node) string {
	if a, ok := n.(*And); ok {
		return a.String()
	}
	return group(n)
}

// group puts parentheses round what holds several.
func group(n Node) string {
	switch n.(type) {
	case *And, *Or:
		return "(" + n.String() + ")"
	}
	return n.String()
}

func (t *Test) String() string {
	s := t.Field.String()
	if t.To > 0 {
		s += "[" + itoa(t.From) + ":" + itoa(t.To) + "]"
	}
	if len(t.values) == 1 {
		return s + " " + operators[t.Op] + " " + t.values[0]
	}
	op := " in ("
	if t.Op == NotIn {
		op = " not in ("
	}
	return s + op + strings.Join(t.values, ", ") + ")"
}

// quote writes a string so that the lexer reads it back, whatever bytes it has.
func quote(s string) string {
	const hex = "0123456789abcdef"
	b := []byte{'"'}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c >= 0x7f:
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

func itoa(n int) string { return strconv.Itoa(n) }
