package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// The library's errors name its own fields; the program adds the flags.
func TestHint(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("something else"), ""},
		{&loader.UnsupportedError{What: "no kernel TLS"}, ""},
		{&loader.CostError{}, " (--max-cpu)"},
		{&session.ListError{Lost: &event.Lost{Count: 3, Cause: "ring_full"}}, " (--ring-bytes)"},
		{loader.ErrNoGobpf, " (make build-gobpf)"},
		{loader.ErrAmbiguousFilter, " (--socket-filter OBJ:PROGRAM)"},
		{&loader.UnsupportedError{Setting: "Match"}, " (--match)"},
		{&loader.UnsupportedError{Setting: "ListOnly"}, " (ktlstop trace, instead of ktlstop list)"},
	} {
		if got := hint(fmt.Errorf("open: %w", c.err)); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	for setting := range flagOf {
		if _, ok := reflect.TypeFor[loader.Config]().FieldByName(setting); !ok {
			t.Errorf("%s is no field of loader.Config", setting)
		}
	}
}

// The settings that pkg/loader names are known here, and no string of it speaks of
// the command line: others than ktlstop show its errors.
func TestLibraryKnowsNoFlags(t *testing.T) {
	settings := 0
	eachNode(t, "../../pkg/loader", func(at string, n ast.Node) {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			key, _ := kv.Key.(*ast.Ident)
			value, literal := kv.Value.(*ast.BasicLit)
			if key != nil && key.Name == "Setting" && literal {
				settings++
				if flagOf[unquote(t, value)] == "" {
					t.Errorf("%s: no flag is known for %s", at, value.Value)
				}
			}
		}
		if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING {
			saysFlag(t, at, s)
		}
	})
	if settings < 5 {
		t.Errorf("found %d settings in pkg/loader", settings)
	}
}

// TestSessionKnowsNoFlags: nor does internal/session.
func TestSessionKnowsNoFlags(t *testing.T) {
	eachNode(t, "../../internal/session", func(at string, n ast.Node) {
		if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING {
			saysFlag(t, at, s)
		}
	})
}

// saysFlag reports a string that speaks of the command line. internal/corpus is no part of what the library's users
// get; it runs other programs.
func saysFlag(t *testing.T, at string, s *ast.BasicLit) {
	t.Helper()
	if strings.HasPrefix(at, "internal/corpus/") {
		return
	}
	if text := unquote(t, s); strings.Contains(text, "--") || strings.Contains(text, "ktlstop ") {
		t.Errorf("%s speaks of the command line: %s", at, s.Value)
	}
}

func unquote(t *testing.T, s *ast.BasicLit) string {
	t.Helper()
	text, err := strconv.Unquote(s.Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// eachNode visits the syntax of all Go files below dir but tests, whatever their
// build tags.
func eachNode(t *testing.T, dir string, visit func(at string, n ast.Node)) {
	t.Helper()
	tree := os.DirFS(dir)
	err := fs.WalkDir(tree, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, name, src, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if n != nil {
				visit(files.Position(n.Pos()).String(), n)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
