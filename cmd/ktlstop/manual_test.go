package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/docs/schema"
	"github.com/ktlstop/ktlstop/internal/manual"
	"github.com/ktlstop/ktlstop/internal/match"
)

const manDir = "../../docs/man"

// manualPages are all pages of man(1), which are those of help.
func manualPages(t *testing.T) []*manual.Page {
	t.Helper()
	t.Setenv("KUBERNETES_SERVICE_HOST", "") // of which a default depends
	root := newRoot()
	pages := []*manual.Page{pageOf(root), filtersPage(), eventsPage()}
	for _, c := range root.Commands() {
		pages = append(pages, pageOf(c))
	}
	return pages
}

// TestManual: docs/man has what the help says today, and nothing else.
func TestManual(t *testing.T) {
	current := map[string]bool{}
	for _, page := range manualPages(t) {
		name := fmt.Sprintf("%s.%d", page.Name, page.Section)
		current[name] = true
		if *update {
			if err := os.WriteFile(filepath.Join(manDir, name), []byte(page.Man()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(filepath.Join(manDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != page.Man() {
			t.Errorf("docs/man/%s is not what the help says: run make man", name)
		}
	}
	there, err := os.ReadDir(manDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if !current[file.Name()] {
			t.Errorf("docs/man/%s is of no command and no topic: remove it", file.Name())
		}
	}
	if len(current) < 14 || len(there) < 14 {
		t.Errorf("%d pages and %d files", len(current), len(there))
	}
}

// TestManualRenders: what formats the pages has nothing to complain about.
func TestManualRenders(t *testing.T) {
	formatters := [][]string{{"mandoc", "-T", "lint", "-W", "warning"}, {"groff", "-t", "-man", "-ww", "-z", "-T", "utf8"}}
	ran := 0
	for _, args := range formatters {
		program, err := exec.LookPath(args[0])
		if err != nil {
			continue
		}
		ran++
		for _, page := range manualPages(t) {
			cmd := exec.Command(program, args[1:]...)
			// As the packages have it, with a date and a version.
			cmd.Stdin = strings.NewReader(strings.Replace(page.Man(), `"" "ktlstop"`, `"2026-01-31" "ktlstop 1.2.3"`, 1))
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s of %s: %v\n%s", args[0], page.Name, err, out)
			}
		}
	}
	if ran == 0 {
		t.Skip("neither mandoc nor groff is installed: make man-check installs mandoc")
	}
}

// TestHelpFits: no line of a page is wider than a terminal of 80 columns, and the
// program's own help has room in one of 24 lines, with the prompt behind it.
func TestHelpFits(t *testing.T) {
	root := newRoot()
	text := overview(root)
	if n := strings.Count(text, "\n"); n > 23 {
		t.Errorf("ktlstop --help has %d lines:\n%s", n, text)
	}
	pages := manualPages(t)
	for _, c := range root.Commands() {
		for _, below := range append(c.Commands(), c) {
			pages = append(pages, pageOf(below))
		}
	}
	for _, page := range pages {
		text += page.Text()
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); len(line) > 80 || strings.TrimRight(line, " ") != line {
			t.Errorf("%d columns: %q", len(line), line)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r > '~' || r < ' ' }) {
			t.Errorf("not ASCII: %q", line)
		}
	}
}

// TestHelpGroups: each command is in one group of the program's help, and each flag in
// one group of its command, with a value where it takes one.
func TestHelpGroups(t *testing.T) {
	root := newRoot()
	groupOf := map[string]int{}
	for _, g := range commandGroups {
		for _, name := range g.commands {
			groupOf[name]++
		}
	}
	for _, c := range root.Commands() {
		if groupOf[c.Name()] != 1 {
			t.Errorf("%s is in %d groups of commands", c.Name(), groupOf[c.Name()])
		}
	}
	used := map[string]bool{}
	eachFlag(func(cmd *cobra.Command, f *pflag.Flag) {
		in := 0
		for _, group := range groupsOf(cmd) {
			for _, entry := range group.flags {
				name, value, _ := strings.Cut(entry, " ")
				if name != f.Name {
					continue
				}
				in++
				used[entry] = true
				if (f.Value.Type() == "bool") != (value == "") {
					t.Errorf("%s --%s is a %s, and the help says %q", cmd.CommandPath(), f.Name, f.Value.Type(), entry)
				}
			}
		}
		if in != 1 {
			t.Errorf("%s --%s is in %d groups of flags", cmd.CommandPath(), f.Name, in)
		}
	})
	for _, group := range flagGroups {
		for _, entry := range group.flags {
			if !used[entry] && entry != "no-descriptions" && entry != "help" { // which cobra adds
				t.Errorf("no command has the flag %q", entry)
			}
		}
	}
}

// TestHelpHasEachFlag: the page of a command names each of its flags.
func TestHelpHasEachFlag(t *testing.T) {
	flags := 0
	eachFlag(func(cmd *cobra.Command, f *pflag.Flag) {
		flags++
		if !regexp.MustCompile(`(?m)^  (-\w, |    )--` + regexp.QuoteMeta(f.Name) + `( |$)`).MatchString(pageOf(cmd).Text()) {
			t.Errorf("the help of %s lacks --%s", cmd.CommandPath(), f.Name)
		}
	})
	if flags < 150 {
		t.Errorf("%d flags", flags)
	}
}

// TestHelpExamples: the command lines in examples parse, and the expressions in them too.
func TestHelpExamples(t *testing.T) {
	n := 0
	for _, page := range manualPages(t) {
		section := page.Sections[slices.IndexFunc(page.Sections, func(s manual.Section) bool { return s.Title == "Examples" })]
		for _, line := range section.Blocks[0].(manual.Lines) {
			n++
			args := exampleArgs(t, line)
			cmd, rest, err := newRoot().Find(args)
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil && cmd.Args != nil {
				err = cmd.Args(cmd, cmd.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			for _, name := range []string{"match", "on"} {
				if f := cmd.Flags().Lookup(name); f != nil {
					if _, err := match.Parse(f.Value.String()); err != nil {
						t.Errorf("%s: %v", line, err)
					}
				}
			}
		}
	}
	if n < 40 {
		t.Errorf("%d examples", n)
	}
}

// exampleArgs are the words behind ktlstop in an example, which other programs and two
// blanks with a remark may follow.
func exampleArgs(t *testing.T, line string) []string {
	t.Helper()
	line = strings.TrimPrefix(line, "source <(")
	line, _, _ = strings.Cut(line, "  ")
	var args []string
	for _, word := range regexp.MustCompile(`(?:[^\s'"]|'[^']*'|"[^"]*")+`).FindAllString(line, -1) {
		if word == "|" || word == ">" {
			break
		}
		args = append(args, strings.Trim(strings.TrimSuffix(word, ")"), `'"`))
	}
	if args[0] != "ktlstop" {
		t.Fatalf("%s: no command line of ktlstop", line)
	}
	return args[1:]
}

// TestEventsPage: it has a line for each field of the schema.
func TestEventsPage(t *testing.T) {
	var s eventSchema
	if err := json.Unmarshal(schema.EventV1, &s); err != nil {
		t.Fatal(err)
	}
	text, fields := eventsPage().Text(), 0
	var walk func(where string, all properties)
	walk = func(where string, all properties) {
		for _, f := range all {
			fields++
			if f.Description == "" && f.Ref == "" {
				t.Errorf("%s.%s of docs/schema/event-v1.json has no description", where, f.name)
			}
			if !regexp.MustCompile(`(?m)^  ([\w.\[\]]*\.)?` + regexp.QuoteMeta(f.name) + `(  |$)`).MatchString(text) {
				t.Errorf("help events lacks %s.%s", where, f.name)
			}
			walk(where+"."+f.name, f.Properties)
			if f.Items != nil {
				walk(where+"."+f.name+"[]", f.Items.Properties)
			}
		}
	}
	for _, def := range s.Defs {
		walk(def.name, def.Properties)
		line := slices.ContainsFunc(def.Properties, func(f field) bool { return f.name == "type" })
		if line && !slices.Contains(lineTypes, def.name) {
			t.Errorf("help events lacks the type %s", def.name)
		}
	}
	if fields < 200 {
		t.Errorf("%d fields", fields)
	}
}

// TestTopics: help shows each, and says what there is where there is nothing.
func TestTopics(t *testing.T) {
	for name, want := range map[string]string{
		"dashboard": "\n  -d, --interval TIME", "filters": "\n  kernel_user ", "events": "\nType dropped:\n",
	} {
		stdout, stderr, status := ktlstop(t, "help", name)
		if status != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("help %s: status %d, %q, and no %q in\n%s", name, status, stderr, want, stdout)
		}
	}
	stdout, stderr, status := ktlstop(t, "help", "events", "lost")
	if status != 0 || stderr != "" || !strings.Contains(stdout, "\n  cause ") || strings.Contains(stdout, "\n  seq ") {
		t.Errorf("help events lost: status %d, %q\n%s", status, stderr, stdout)
	}
	_, stderr, status = ktlstop(t, "help", "events", "nosuch")
	if status != 2 || !strings.Contains(stderr, "summary, ") || strings.Count(stderr, "\n") != 2 {
		t.Errorf("help events nosuch: status %d, %q", status, stderr)
	}
	_, stderr, status = ktlstop(t, "help", "nosuch")
	if status != 2 || !strings.Contains(stderr, "trace, ") || !strings.Contains(stderr, "filters, events") || strings.Count(stderr, "\n") != 2 {
		t.Errorf("help nosuch: status %d, %q", status, stderr)
	}
}

// TestCompletions: the scripts ask this program for what may follow.
func TestCompletions(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		stdout, stderr, status := ktlstop(t, "completion", shell)
		if status != 0 || stderr != "" || !strings.Contains(stdout, "__complete") {
			t.Errorf("%s: status %d, %.80q, %q", shell, status, stdout, stderr)
		}
	}
	for line, want := range map[string]string{
		"trace --dir": "tx rx", "list -o": "text json", "trace -o": "text json pcapng", "-o": "json", "inspect --format": "text hex raw log", "--backend": "auto ebpf gobpf",
	} {
		stdout, _, status := ktlstop(t, append(append([]string{"__complete"}, strings.Fields(line)...), "")...)
		words, directive, _ := strings.Cut(stdout, ":")
		if got := strings.Join(strings.Fields(words), " "); status != 0 || got != want || !strings.HasPrefix(directive, "4\n") { // no files
			t.Errorf("%s: status %d, %q, want %q", line, status, stdout, want)
		}
	}
	stdout, _, status := ktlstop(t, "__complete", "help", "")
	for _, name := range []string{"trace", "filters", "events"} {
		if !strings.Contains(stdout, "\n"+name+"\t") && !strings.HasPrefix(stdout, name+"\t") {
			t.Errorf("help is completed without %s: status %d, %q", name, status, stdout)
		}
	}
	stdout, _, status = ktlstop(t, "__complete", "")
	if names := strings.Fields(stdout); status != 0 || !slices.Contains(names, "completion") || !slices.Contains(names, "trace") {
		t.Errorf("status %d, %q", status, stdout)
	}
}
