package match_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/match"
)

const manual = "../../docs/match.md"

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Each line of the blocks marked match is an expression.
func TestExamplesOfTheManual(t *testing.T) {
	n := 0
	for _, block := range regexp.MustCompile("(?s)```match\n(.*?)```").FindAllStringSubmatch(read(t, manual), -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(line, "  # ")
			parse(t, strings.TrimSpace(line))
			n++
		}
	}
	if n < 15 {
		t.Errorf("only %d examples", n)
	}
}

func TestExamplesOnCommandLines(t *testing.T) {
	flag := regexp.MustCompile(`--match '([^']*)'`)
	for _, name := range []string{manual, "../../docs/trace.md"} {
		found := flag.FindAllStringSubmatch(read(t, name), -1)
		if len(found) == 0 {
			t.Errorf("%s has no example", name)
		}
		for _, m := range found {
			parse(t, m[1])
		}
	}
}

func TestManualHasEveryField(t *testing.T) {
	text := read(t, manual)
	for f := match.Dir; f <= match.Payload; f++ {
		if !strings.Contains(text, "`"+f.String()+"`") {
			t.Errorf("docs/match.md does not mention %s", f)
		}
	}
}

// The messages that the manual quotes are the program's.
func TestManualHasTheMessages(t *testing.T) {
	_, err := match.Parse("lat.encrypt > 5")
	if err == nil || !strings.Contains(read(t, manual), err.Error()) {
		t.Errorf("docs/match.md does not have %v", err)
	}
}
