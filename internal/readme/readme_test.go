package readme

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestProgramsCompile builds the Go programs of README.md.
func TestProgramsCompile(t *testing.T) {
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(programs) == 0 {
		t.Fatal("no program in README.md")
	}
	for i, p := range programs {
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, []byte(p[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("go", "vet", file)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("program %d: %v\n%s", i, err, out)
		}
	}
}

// TestCommandsAreDocumented: each command with a manual page, which each has, is in
// README.md.
func TestCommandsAreDocumented(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/man/ktlstop-*.1"))
	if err != nil {
		t.Fatal(err)
	}
	readme := read(t, "README.md")
	for _, page := range pages {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(page), "ktlstop-"), ".1")
		if name != "version" && name != "help" && !strings.Contains(readme, "ktlstop "+name) {
			t.Errorf("README.md lacks %s", name)
		}
	}
	if len(pages) < 5 {
		t.Errorf("%d commands", len(pages))
	}
}
