package match

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// The grammar, as participle reads it from the struct tags. What a word means
// depends on the field it is compared with, so the lexer knows only words
// (Atom), quoted strings and operators.
type (
	orExpr struct {
		List []*andExpr `parser:"@@ ( 'or':Keyword @@ )*"`
	}
	andExpr struct {
		List []*unary `parser:"@@ ( 'and':Keyword? @@ )*"`
	}
	unary struct {
		Pos   lexer.Position
		Not   *unary  `parser:"'not':Keyword @@"`
		Group *orExpr `parser:"| '(' @@ ')'"`
		Term  *term   `parser:"| @@"`
	}
	term struct {
		Pos   lexer.Position
		Word  *string  `parser:"@String"`
		Field string   `parser:"| @Atom"`
		Slice *literal `parser:"  ( '[' @@ ']' )?"`
		Op    string   `parser:"  ( ( @Op | @'contains':Keyword )"`
		Value *literal `parser:"    @@"`
		NotIn bool     `parser:"  | @( 'not':Keyword 'in':Keyword )"`
		Outer *set     `parser:"    @@"`
		Inner *set     `parser:"  | 'in':Keyword @@ )?"`
	}
	set struct {
		Many []*literal `parser:"'(' @@ ( ',' @@ )* ')'"`
		One  *literal   `parser:"| @@"`
	}
	literal struct {
		Pos    lexer.Position
		Quoted *string `parser:"@String"`
		Atom   string  `parser:"| @Atom"`
	}
)

var tokens = lexer.MustSimple([]lexer.SimpleRule{
	{Name: "String", Pattern: `"(\\.|[^"\\])*"`},
	{Name: "Op", Pattern: `==|!=|<=|>=|=|<|>`},
	{Name: "Keyword", Pattern: `&&|\|\||!`},
	{Name: "Punct", Pattern: `[()\[\],]`},
	{Name: "Atom", Pattern: `[^\s"()\[\],=<>!&|]+`},
	{Name: "space", Pattern: `\s+`},
})

var keywords = map[string]string{
	"and": "and", "or": "or", "not": "not", "in": "in", "contains": "contains",
	"&&": "and", "||": "or", "!": "not",
}

// keyword turns the words that join terms into keyword tokens, so that they are not searched
// for.
func keyword(t lexer.Token) (lexer.Token, error) {
	if k, ok := keywords[strings.ToLower(t.Value)]; ok {
		t.Type, t.Value = tokens.Symbols()["Keyword"], k
	}
	return t, nil
}

var parser = participle.MustBuild[orExpr](participle.Lexer(tokens), participle.Map(keyword, "Atom", "Keyword"), participle.UseLookahead(3))

// Error is the error of Parse for an invalid expression.
type Error struct {
	// Column counts characters from 1.
	Column int
	Reason string
}

func (e *Error) Error() string { return "column " + itoa(e.Column) + ": " + e.Reason }

// columnOf turns an offset in bytes into a column; s may be any bytes.
func columnOf(s string, offset int) int {
	return utf8.RuneCountInString(s[:min(max(offset, 0), len(s))]) + 1
}

// syntaxError returns one line about what the parser did not expect.
func syntaxError(s string, err error) error {
	var perr participle.Error
	if !errors.As(err, &perr) {
		return err
	}
	at := perr.Position().Offset
	e := &Error{Column: columnOf(s, at)}
	var unexpected *participle.UnexpectedTokenError
	switch {
	case errors.As(err, &unexpected) && !unexpected.Unexpected.EOF():
		e.Reason = quote(unexpected.Unexpected.Value) + " is not expected here"
	case errors.As(err, &unexpected):
		e.Reason = "the expression ends where more must follow"
	case at < len(s) && s[at] == '"':
		e.Reason = "the string has no closing quote"
	case at < len(s) && (s[at] == '&' || s[at] == '|'):
		e.Reason = "write and or &&, or or ||"
	default:
		e.Reason = "this cannot be read"
	}
	return e
}
