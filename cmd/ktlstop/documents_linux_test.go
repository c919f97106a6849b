package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/internal/readme"
)

// documented are the command lines of ktlstop in all documents.
func documented(t *testing.T) (all []readme.Command) {
	t.Helper()
	pages, err := readme.Pages("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		found, err := p.Commands()
		if err != nil {
			t.Error(err)
		}
		all = append(all, found...)
	}
	return all
}

// TestCommandLinesOfDocuments: the program takes each command line that a document
// has. Nothing is run here; TestManual of e2e runs them.
func TestCommandLinesOfDocuments(t *testing.T) {
	lines := documented(t)
	for _, c := range lines {
		if err := parses(c.Words[1:]); err != nil {
			t.Errorf("%s: %s: %v", c.Where, c.Text, err)
		}
	}
	if len(lines) < 50 {
		t.Errorf("%d command lines: are they all found?", len(lines))
	}
}

// TestCommandsAreDocumented: some document has a command line of each command.
func TestCommandsAreDocumented(t *testing.T) {
	used := map[string]bool{}
	for _, c := range documented(t) {
		if len(c.Words) > 1 {
			used[c.Words[1]] = true
		}
	}
	for _, cmd := range newRoot().Commands() {
		if !cmd.Hidden && !used[cmd.Name()] {
			t.Errorf("no document has a command line of ktlstop %s", cmd.Name())
		}
	}
}

func TestParses(t *testing.T) {
	for line, want := range map[string]bool{
		"":                              true,
		"trace|--match|len > 4k":        true,
		"doctor|nginx|:443":             true,
		"completion|bash":               true,
		"completion|tcsh":               false,
		"frobnicate":                    false,
		"trace|--frobnicate":            false,
		"trace|x":                       false,
		"trace|--port|70000":            false,
		"trace|--match|len >":           false,
		"trace|--keep|60s|--on|errno =": false,
	} {
		if err := parses(strings.FieldsFunc(line, func(r rune) bool { return r == '|' })); (err == nil) != want {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// parses says why the program does not take a command line: an unknown command or
// flag, a value of the wrong type, too many arguments, or an expression that is none.
func parses(args []string) error {
	root := newRoot()
	root.InitDefaultHelpCmd() // which cobra adds as late as it runs
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	return errors.Join(cmd.ValidateArgs(cmd.Flags().Args()), runs(cmd), expressions(cmd))
}

// runs says if a command stands only for those below it.
func runs(cmd *cobra.Command) error {
	if !cmd.Runnable() {
		return fmt.Errorf("%s does nothing by itself", cmd.CommandPath())
	}
	return nil
}

// expressions parses the values of flags that take them.
func expressions(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name == "match" || f.Name == "on" {
			_, wrong := match.Parse(f.Value.String())
			err = errors.Join(err, wrong)
		}
	})
	return err
}
