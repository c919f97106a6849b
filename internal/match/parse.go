package match

import (
	"fmt"
	"slices"
)

// Parse parses and checks an expression. The error is an *Error. A text of blanks only is an
// expression that matches everything.
func Parse(s string) (*Expr, error) {
	if len(s) > MaxLength {
		return nil, &Error{Column: columnOf(s, MaxLength), Reason: fmt.Sprintf("the expression is longer than %d bytes", MaxLength)}
	}
	c := &checker{src: s}
	if blank(s) {
		return &Expr{}, nil
	}
	tree, err := parser.ParseString("", s)
	if err != nil {
		return nil, syntaxError(s, err)
	}
	root, err := c.or(tree, 0)
	if err != nil {
		return nil, err
	}
	return &Expr{Root: root, PayloadTests: c.payload}, nil
}

func blank(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(b byte) bool { return b != ' ' && b != '\t' && b != '\n' && b != '\r' })
}

// checker turns the parsed text into an Expr.
type checker struct {
	src     string
	values  int
	payload []*Test
}

func (c *checker) fail(at int, format string, args ...any) error {
	return &Error{Column: columnOf(c.src, at), Reason: fmt.Sprintf(format, args...)}
}

func (c *checker) or(e *orExpr, depth int) (Node, error) {
	var o Or
	for _, x := range e.List {
		n, err := c.and(x, depth)
		if err != nil {
			return nil, err
		}
		o.X = append(o.X, n)
	}
	if len(o.X) == 1 {
		return o.X[0], nil
	}
	return &o, nil
}

func (c *checker) and(e *andExpr, depth int) (Node, error) {
	var a And
	for _, x := range e.List {
		n, err := c.unary(x, depth)
		if err != nil {
			return nil, err
		}
		a.X = append(a.X, n)
	}
	if len(a.X) == 1 {
		return a.X[0], nil
	}
	return &a, nil
}

func (c *checker) unary(u *unary, depth int) (Node, error) {
	if depth > MaxDepth {
		return nil, c.fail(u.Pos.Offset, "more than %d parentheses or nots in each other", MaxDepth)
	}
	switch {
	case u.Not != nil:
		n, err := c.unary(u.Not, depth+1)
		if err != nil {
			return nil, err
		}
		return &Not{n}, nil
	case u.Group != nil:
		return c.or(u.Group, depth+1)
	}
	return c.term(u.Term)
}

func (c *checker) term(t *term) (Node, error) {
	op, values := t.comparison()
	c.values += max(1, len(values))
	if c.values > MaxValues {
		return nil, c.fail(t.Pos.Offset, "the expression compares with more than %d values", MaxValues)
	}
	switch {
	case t.Word != nil:
		return c.quotedWord(t)
	case len(values) > 0 || t.Slice != nil:
		return c.test(t, op, values)
	}
	return newWord(t.Field), nil
}

func (c *checker) quotedWord(t *term) (Node, error) {
	s, err := c.unquote(&literal{Pos: t.Pos, Quoted: t.Word})
	if err != nil {
		return nil, err
	}
	if s == "" {
		return nil, c.fail(t.Pos.Offset, "an empty string is found anywhere: leave it out")
	}
	return newWord(s), nil
}

// comparison returns the operator and the values of a term; a bare word has none.
func (t *term) comparison() (string, []*literal) {
	switch {
	case t.NotIn:
		return "not in", t.Outer.list()
	case t.Inner != nil:
		return "in", t.Inner.list()
	case t.Value != nil:
		return t.Op, []*literal{t.Value}
	}
	return "", nil
}

func (s *set) list() []*literal {
	if s.One != nil {
		return []*literal{s.One}
	}
	return s.Many
}

var operatorWords = map[string]Operator{
	"==": In, "=": In, "in": In, "!=": NotIn, "not in": NotIn,
	"<": Less, "<=": LessEqual, ">": Greater, ">=": GreaterEqual, "contains": Contains,
}

func (c *checker) test(t *term, op string, values []*literal) (Node, error) {
	field, ok := fieldOf(t.Field)
	if !ok {
		return nil, c.fail(t.Pos.Offset, "there is no field %s; %s", quote(t.Field), otherField(t.Field))
	}
	test := &Test{Field: field, Op: operatorWords[op]}
	if err := c.slice(test, t); err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, c.fail(t.Pos.Offset, `compare %s with something, as in payload[0:4] == "GET "`, field)
	}
	if err := c.operator(test, t, op); err != nil {
		return nil, err
	}
	for _, v := range values {
		if err := c.value(test, v); err != nil {
			return nil, err
		}
	}
	test.order()
	return test, c.number(test, t)
}

// number gives a test of the payload its bit.
func (c *checker) number(test *Test, t *term) error {
	if test.Field != Payload {
		return nil
	}
	if len(c.payload) == MaxPayload {
		return c.fail(t.Pos.Offset, "more than %d tests of the payload", MaxPayload)
	}
	test.Index = len(c.payload)
	c.payload = append(c.payload, test)
	return nil
}

// operator checks that a field can be compared in this way.
func (c *checker) operator(test *Test, t *term, op string) error {
	in := infos[test.Field]
	ordered := test.Op >= Less && test.Op <= GreaterEqual
	switch {
	case test.Field == Payload && test.To == 0 && test.Op != Contains:
		return c.fail(t.Pos.Offset, `payload takes contains, or a slice: payload[0:4] == "GET "`)
	case test.Field == Payload && test.To > 0 && test.Op > NotIn:
		return c.fail(t.Pos.Offset, "a slice of the payload is compared with ==, != or in")
	case test.Op == Contains && in.kind != text && in.kind != payload:
		return c.fail(t.Pos.Offset, "%s does not take contains: only names and payload do", test.Field)
	case ordered && in.kind != number && in.kind != version && in.kind != duration:
		return c.fail(t.Pos.Offset, "%s has no order: compare it with ==, != or in", test.Field)
	}
	return nil
}
