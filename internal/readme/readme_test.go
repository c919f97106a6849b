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

func pages(t *testing.T) []Page {
	t.Helper()
	all, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// page is the document of that name.
func page(t *testing.T, name string) Page {
	t.Helper()
	for _, p := range pages(t) {
		if p.Name == name {
			return p
		}
	}
	t.Fatal("there is no ", name)
	return Page{}
}

// TestReadmeIsShort: README.md is what one reads first, and the rest stands in docs/.
func TestReadmeIsShort(t *testing.T) {
	if n := strings.Count(page(t, "README.md").Text, "\n"); n > 180 {
		t.Errorf("README.md has %d lines, and 180 are what a reader takes: move some to docs/", n)
	}
}

// TestLinks: each link leads to a file of this repository, and to a heading that
// it has.
func TestLinks(t *testing.T) {
	headings := map[string]map[string]bool{}
	for _, p := range pages(t) {
		anchors, err := p.Headings()
		if err != nil {
			t.Fatal(err)
		}
		headings[p.Name] = anchors
	}
	links := 0
	for _, p := range pages(t) {
		found, err := p.Links()
		if err != nil {
			t.Fatal(err)
		}
		links += len(found)
		for _, l := range found {
			if _, err := os.Stat(filepath.Join(root, l.File)); err != nil {
				t.Errorf("%s: there is no %s", l.Where, l.File)
				continue
			}
			if anchors, ok := headings[l.File]; ok && l.Head != "" && !anchors[l.Head] {
				t.Errorf("%s: %s has no heading for #%s", l.Where, l.File, l.Head)
			}
		}
	}
	if links < 50 {
		t.Errorf("%d links: are they all found?", links)
	}
}

// TestProgramsCompile builds the Go programs of all pages.
func TestProgramsCompile(t *testing.T) {
	programs := 0
	for _, p := range pages(t) {
		blocks, _, err := p.Blocks()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if b.Lang == "go" && strings.HasPrefix(strings.TrimSpace(b.Text), "package ") {
				programs++
				vet(t, p, b)
			}
		}
	}
	if programs == 0 {
		t.Error("no page has a Go program")
	}
}

func vet(t *testing.T, p Page, b Block) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(b.Text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "vet", file)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s:%d: %v\n%s", p.Name, b.Line, err, out)
	}
}

// index is the manual's table of contents.
const index = "docs/README.md"

// manual are the pages that the first part of the index lists: one a task.
func manual(t *testing.T) (names []string) {
	t.Helper()
	p := page(t, index)
	first, _, found := strings.Cut(p.Text, "\n## Reference")
	if !found {
		t.Fatalf("%s has no part with the heading Reference", index)
	}
	p.Text = first
	links, err := p.Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Head == "" {
			names = append(names, l.File)
		}
	}
	return names
}

// TestPagesAnswerQuestions: a page of the manual begins with the question that it
// answers, so that who has another one need not read on.
func TestPagesAnswerQuestions(t *testing.T) {
	names := manual(t)
	if len(names) < 15 {
		t.Errorf("%s lists %d pages: %v", index, len(names), names)
	}
	question := regexp.MustCompile(`(?s)^# [^\n]+\n\n[^.:!?]+\?`)
	for _, name := range names {
		if text, err := os.ReadFile(filepath.Join(root, name)); err == nil && !question.Match(text) { // TestLinks finds those that are missing
			t.Errorf("%s: the first sentence below the title is no question", name)
		}
	}
}

// TestIndexIsComplete: each page in docs/ has its line in the index.
func TestIndexIsComplete(t *testing.T) {
	links, err := page(t, index).Links()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{index: true}
	for _, l := range links {
		listed[l.File] = true
	}
	for _, p := range pages(t) {
		if strings.HasPrefix(p.Name, "docs/") && !listed[p.Name] {
			t.Errorf("%s does not list %s", index, p.Name)
		}
	}
}
