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

// TestCommandsAreDocumented: each command of ktlstop --help is in README.md and
// in the manual page.
func TestCommandsAreDocumented(t *testing.T) {
	cmd := exec.Command("go", "run", "./cmd/ktlstop", "--help")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	readme, page := read(t, "README.md"), read(t, "docs/ktlstop.1")
	commands := 0
	for line := range strings.Lines(list) {
		name := strings.Fields(line)[0]
		if name == "help" {
			continue
		}
		commands++
		if !strings.Contains(page, ".B ktlstop "+name+"\n") {
			t.Errorf("docs/ktlstop.1 lacks %s", name)
		}
		if name != "version" && !strings.Contains(readme, "ktlstop "+name) {
			t.Errorf("README.md lacks %s", name)
		}
	}
	if commands < 5 {
		t.Errorf("%d commands in\n%s", commands, out)
	}
}
