package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inWords is the text of docs/kernels.md for a use.
var inWords = map[string]string{full: "all tests", partly: "some tests", checkOnly: "check", typesOnly: "types"}

// manualRows are the rows of the table of Debian's kernels, made from kernels.txt.
func manualRows() (rows []string) {
	groups := map[[2]string][]string{}
	for _, s := range Matrix() {
		uses := [2]string{s.Use, s.Before}
		groups[uses] = append(groups[uses], s.Name)
	}
	for uses, names := range groups {
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", strings.Join(names, ", "), inWords[uses[0]], inWords[uses[1]]))
	}
	slices.Sort(rows)
	return rows
}

// TestKernelsInManual: docs/kernels.md lists the same uses of each kernel as kernels.txt.
func TestKernelsInManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/kernels.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| kernels | with each change | before a release |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	got := strings.Split(table, "\n")
	slices.Sort(got)
	if want := manualRows(); !slices.Equal(got, want) {
		t.Errorf("docs/kernels.md has\n%s\nkernels.txt\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTypesInManual: docs/kernels.md lists the stored types of kernels other than Debian's, by the
// names of their files.
func TestTypesInManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/kernels.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../pkg/loader/testdata/btf/*.btf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no types: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".btf")
		if !strings.HasPrefix(name, "debian-") && !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/kernels.md does not say of `%s` that its types are known", name)
		}
	}
}
