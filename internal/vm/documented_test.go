package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inWords is what README.md says of a use.
var inWords = map[string]string{full: "all tests", partly: "some tests", checkOnly: "check", typesOnly: "types"}

// readmeRows are the rows of README's table of Debian's kernels, as kernels.txt has them.
func readmeRows() (rows []string) {
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

// TestKernelsInReadme: README.md says of each kernel what is run on it, as kernels.txt does.
func TestKernelsInReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| kernels | with each change | before a release |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	got := strings.Split(table, "\n")
	slices.Sort(got)
	if want := readmeRows(); !slices.Equal(got, want) {
		t.Errorf("README.md has\n%s\nkernels.txt\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTypesInReadme: types that are kept of a kernel which is not Debian's are in README.md, by the name of their file.
func TestTypesInReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
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
			t.Errorf("README.md does not say of `%s` that its types are known", name)
		}
	}
}
