package doctor

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each rule has a section that says what it examines, and each section a rule.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range Rules {
		ids = append(ids, r.ID)
		_, section, found := strings.Cut(string(doc), "\n## "+r.ID+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !found || !strings.Contains(section, "**"+r.Title+"**") || !strings.Contains(section, "Looked at: ") {
			t.Errorf("docs/doctor.md has no section %s with the title %q that says what it looked at", r.ID, r.Title)
		}
	}
	slices.Sort(ids)
	if n := len(ids); n != len(slices.Compact(slices.Clone(ids))) {
		t.Errorf("an id is used twice: %q", ids)
	}
	for _, m := range regexp.MustCompile(`(?m)^## (KT\d+)$`).FindAllStringSubmatch(string(doc), -1) {
		if !slices.Contains(ids, m[1]) {
			t.Errorf("docs/doctor.md explains %s, and no rule has that id", m[1])
		}
	}
}
