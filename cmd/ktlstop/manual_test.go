package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// manuals is where `make man` wants the pages. They are made by a test since the
// program need not carry what makes them.
var manuals = flag.String("manuals", "", "write the manual pages of the commands into this directory")

// TestManuals makes a page of each command's help. docs/ktlstop.1, the page of all
// together, is written by hand.
func TestManuals(t *testing.T) {
	dir := *manuals
	if dir == "" {
		dir = t.TempDir()
	}
	for _, cmd := range newRoot().Commands() {
		writeManual(t, cmd, dir)
		page := readManual(t, dir, cmd)
		if !strings.HasPrefix(page, ".nh\n.TH \"KTLSTOP") || !strings.Contains(page, "\n.SH SYNOPSIS\n") {
			t.Errorf("%s: %.100q", cmd.Name(), page)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !regexp.MustCompile(`--`+regexp.QuoteMeta(f.Name)+`([^\w-]|$)`).MatchString(page) {
				t.Errorf("the page of %s lacks --%s", cmd.Name(), f.Name)
			}
		})
	}
}

// writeManual writes one command's page, without those of the commands below it,
// whose help is short.
func writeManual(t *testing.T, cmd *cobra.Command, dir string) {
	t.Helper()
	file, err := os.Create(manualOf(dir, cmd))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	when := sourceDate(t)
	cmd.DisableAutoGenTag = true
	header := doc.GenManHeader{Title: "KTLSTOP-" + strings.ToUpper(cmd.Name()), Section: "1", Date: &when,
		Source: "ktlstop " + version, Manual: "User Commands"}
	if err := doc.GenMan(cmd, &header, file); err != nil {
		t.Fatal(err)
	}
}

func manualOf(dir string, cmd *cobra.Command) string {
	return filepath.Join(dir, "ktlstop-"+cmd.Name()+".1")
}

func readManual(t *testing.T, dir string, cmd *cobra.Command) string {
	t.Helper()
	page, err := os.ReadFile(manualOf(dir, cmd))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(page), `\-`, "-")
}

// sourceDate is the date of the sources as the build says it, so that two builds
// make the same pages.
func sourceDate(t *testing.T) time.Time {
	t.Helper()
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Unix(0, 0).UTC()
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("SOURCE_DATE_EPOCH: %v", err)
	}
	return time.Unix(seconds, 0).UTC()
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
	stdout, _, status := ktlstop(t, "__complete", "")
	if names := strings.Fields(stdout); status != 0 || !slices.Contains(names, "completion") || !slices.Contains(names, "trace") {
		t.Errorf("status %d, %q", status, stdout)
	}
}
