package otlp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/otlp.md lists each event name, attribute and variable of the code, and no other event
// or attribute.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/otlp.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	named := literals(t, func(s string) bool {
		return strings.HasPrefix(s, "ktls.") || strings.HasPrefix(s, "OTEL_") && !strings.HasSuffix(s, "_") || s == envNode ||
			strings.HasPrefix(s, "tls.") || strings.HasPrefix(s, "process.") || strings.HasPrefix(s, "k8s.") || strings.HasPrefix(s, "otlp_")
	})
	if len(named) < 50 {
		t.Fatalf("only %d names in the code: %q", len(named), named)
	}
	for _, name := range named {
		if !strings.Contains(doc, "`"+name+"`") && !strings.HasSuffix(name, ".") {
			t.Errorf("docs/otlp.md does not have %s", name)
		}
	}
	for _, m := range regexp.MustCompile("`(ktls\\.[a-z_.]+)`").FindAllStringSubmatch(doc, -1) {
		if !slices.Contains(named, m[1]) && m[1] != "ktls.record.queue_ns" { // made from the stage's name
			t.Errorf("docs/otlp.md has %s, and the code has not", m[1])
		}
	}
}

// literals are the matching strings of the package, once each.
func literals(t *testing.T, want func(string) bool) (found []string) {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && want(s) && !strings.Contains(s, " ") {
					found = append(found, s)
				}
			}
			return true
		})
	}
	slices.Sort(found)
	return slices.Compact(found)
}
