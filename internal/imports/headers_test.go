package imports

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// maxLines keeps a file of bpf/ a thing that is read in one go.
const maxLines = 250

var include = regexp.MustCompile(`(?m)^#include "(.*)"$`)

// TestHeaders: the C files are short, and include in one direction.
func TestHeaders(t *testing.T) {
	includes := map[string][]string{} // by path
	for _, path := range slices.Concat(files(t, "../../bpf/*.[ch]"), files(t, "../../bpf/gobpf/*.[ch]")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d", path, n, maxLines)
		}
		for _, m := range include.FindAllSubmatch(text, -1) {
			includes[path] = append(includes[path], filepath.Join(filepath.Dir(path), string(m[1])))
		}
	}
	for file := range includes {
		if circle := reach(includes, file, file, nil); circle != nil {
			t.Errorf("%s includes itself, by %v", file, circle)
		}
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("%d files of %s, %v", len(found), pattern, err)
	}
	return found
}

// reach is a way of includes from one file to another, nil if there is none.
func reach(includes map[string][]string, from, to string, seen []string) []string {
	for _, next := range includes[from] {
		if next == to {
			return append(seen, next)
		}
		if len(seen) > len(includes) {
			return nil // a circle of others
		}
		if way := reach(includes, next, to, append(seen, next)); way != nil {
			return way
		}
	}
	return nil
}

func TestReach(t *testing.T) {
	includes := map[string][]string{"a": {"b", "c"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
	if way := reach(includes, "a", "a", nil); len(way) != 3 || way[2] != "a" {
		t.Errorf("the way of a to itself: %v", way)
	}
	if way := reach(includes, "a", "d", nil); way != nil {
		t.Errorf("a way of a to d: %v", way)
	}
}
