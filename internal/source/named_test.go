package source

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestEveryEventIsShifted: all that package event has gets the time of the clock that
// recordings share, or Merge would put it where it does not belong.
func TestEveryEventIsShifted(t *testing.T) {
	var shifted []string
	for _, ev := range []event.Event{
		&event.Record{Mono: 1000}, &event.Socket{Mono: 1000}, &event.Error{Mono: 1000}, &event.Drop{Mono: 1000},
		&event.Lost{Mono: 1000}, &event.Trigger{Mono: 1000}, &event.Summary{Mono: 1000}, &event.Host{Mono: 1000},
	} {
		n := Named{Host: "b", Number: 2, Shift: -400}
		if n.Rename(ev); ev.Time() != 600 {
			t.Errorf("%T happened at %d, want 600", ev, ev.Time())
		}
		shifted = append(shifted, fmt.Sprintf("%T", ev))
	}
	for _, kind := range eventKinds(t) {
		if !slices.Contains(shifted, kind) {
			t.Errorf("%s is in package event, and not in this test", kind)
		}
	}
}

// eventKinds are the types of package event with a method Time.
func eventKinds(t *testing.T) (kinds []string) {
	t.Helper()
	files, err := filepath.Glob("../../pkg/event/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("package event: %v, %v", files, err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			method, ok := d.(*ast.FuncDecl)
			if !ok || method.Name.Name != "Time" || method.Recv == nil {
				continue
			}
			if to, ok := method.Recv.List[0].Type.(*ast.StarExpr); ok {
				kinds = append(kinds, fmt.Sprintf("*event.%s", to.X))
			}
		}
	}
	return kinds
}
