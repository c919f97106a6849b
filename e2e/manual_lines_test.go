package e2e

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/internal/readme"
)

// notRun are command lines in sh blocks that are not run here, with the reason.
var notRun = map[string]string{
	"ktlstop doctor 1234 :443": "no process here has that number; TestDoctorLooks runs it with one",
}

// manualLines are the command lines to run.
func manualLines(t *testing.T) []readme.Command {
	t.Helper()
	pages, err := readme.Pages("..")
	must(t, err)
	var all []readme.Command
	seen := map[string]bool{}
	parsed := 0
	for _, p := range pages {
		found, err := p.Commands()
		must(t, err)
		for _, c := range found {
			key := strings.TrimSpace(c.Env + " " + c.Text)
			switch {
			case !c.Run:
				parsed++
				continue
			case !seen[key] && notRun[key] == "":
				all = append(all, c)
			}
			seen[key] = true
		}
	}
	for key := range notRun {
		if !seen[key] {
			t.Errorf("no document has %q any more: take it out of notRun", key)
		}
	}
	lines := all
	if !guesttest.BeforeRelease() {
		lines = eachPartOnce(all)
	}
	t.Logf("%d of %d command lines in sh blocks are run, %d in other blocks are only parsed", len(lines), len(all), parsed)
	return lines
}

// eachPartOnce selects the lines of README.md, and then other lines until each part is in one of
// them, those with the most parts first.
func eachPartOnce(all []readme.Command) (lines []readme.Command) {
	rich := slices.SortedStableFunc(slices.Values(all), func(a, b readme.Command) int {
		return cmp.Or(rank(a)-rank(b), len(parts(b))-len(parts(a)))
	})
	had := map[string]bool{}
	for _, c := range rich {
		fresh := rank(c) == 0
		for _, p := range parts(c) {
			fresh = fresh || !had[p]
			had[p] = true
		}
		if fresh {
			lines = append(lines, c)
		}
	}
	return lines
}

// rank is 0 for the documents that everybody reads first.
func rank(c readme.Command) int {
	if strings.HasPrefix(c.Where, "README.md:") {
		return 0
	}
	return 1
}

// plain are flags that only select records or end a run: other tests show their effect, with every
// value.
var plain = []string{"--comm", "-p", "--pid", "-u", "--uid", "--port", "--dir", "--cgroup", "--duration"}

// choosing are flags whose values select different parts of the program.
var choosing = []string{"-o", "--output", "--format", "--sample", "--op", "--fault"}

// parts are the parts of a command line to test: its command, each flag, and the values of choosing
// flags.
func parts(c readme.Command) []string {
	name := subcommand(c)
	all := []string{name + c.Env}
	if screen(c) {
		all = append(all, "screen")
	}
	for i, w := range c.Words[1:] {
		before := c.Words[i]
		switch {
		case slices.Contains(choosing, before):
			all = append(all, name+" "+before+" "+w)
		case strings.HasPrefix(w, "-") && !slices.Contains(plain, w):
			all = append(all, name+" "+w)
		case name == "help" && i > 0:
			all = append(all, name+" "+w)
		}
	}
	return all
}

// subcommand is the name of the command, "" for the dashboard.
func subcommand(c readme.Command) string {
	if len(c.Words) > 1 && !strings.HasPrefix(c.Words[1], "-") {
		return c.Words[1]
	}
	return ""
}

func has(c readme.Command, flags ...string) bool {
	return slices.ContainsFunc(c.Words, func(w string) bool {
		name, _, _ := strings.Cut(w, "=")
		return slices.Contains(flags, name)
	})
}

// screen reports whether a command is the dashboard, which needs a terminal.
func screen(c readme.Command) bool { return subcommand(c) == "" && !has(c, "-o", "--output") }

// attaches reports whether a command supports --ready-file.
func attaches(c readme.Command) bool {
	switch subcommand(c) {
	case "", "trace", "inspect", "tap", "serve":
		return !has(c, "--read")
	case "doctor":
		return has(c, "--watch")
	}
	return false
}

// endsItself reports whether a command ends by itself, and soon.
func endsItself(c readme.Command) bool {
	return !attaches(c) && !screen(c) && subcommand(c) != "gen" && subcommand(c) != "demo" || has(c, "--rounds") && !has(c, "--rate")
}

// Output of commands that shows the traffic, in a line, a cell or JSON.
var (
	ofNginx  = regexp.MustCompile(`nginx(\[| {3})|"comm":"nginx"`)
	anything = regexp.MustCompile(`\S`)
)

// shows is the required output of a command, nil for none: few records may match, or the output
// goes to a file.
func shows(c readme.Command) *regexp.Regexp {
	if has(c, "--match", "--on", "--keep", "-w", "--write", "-p", "--pid", "--cgroup", "--netns", "--cbpf", "--socket-filter", "--watch", "--max-cpu") {
		return nil
	}
	for i, w := range c.Words[1:] {
		before := c.Words[i]
		if before == "--comm" && w != "nginx" || before == "--port" && w != "443" || before == "--format" && w == "raw" || w == "pcapng" {
			return nil
		}
	}
	switch subcommand(c) {
	case "", "trace", "inspect", "list":
		return ofNginx
	case "gen", "tap":
		return nil
	}
	return anything
}
