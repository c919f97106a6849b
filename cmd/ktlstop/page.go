package main

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/manual"
)

// pageOf returns the page of a command, which --help prints and man(1) shows.
func pageOf(cmd *cobra.Command) *manual.Page {
	page := &manual.Page{
		Name: manName(cmd.CommandPath()), Section: 1, Short: strings.ToLower(cmd.Short[:1]) + cmd.Short[1:],
		Usage: []string{strings.TrimSuffix(cmd.UseLine(), " [flags]") + " [flags]"},
		About: paragraphs(cmp.Or(cmd.Long, cmd.Short)),
	}
	if !cmd.HasParent() {
		page.Usage = append(page.Usage, "ktlstop COMMAND [flags]")
	}
	page.Sections = append(commandSections(cmd), manual.Section{Title: "Options"})
	page.Sections = append(page.Sections, flagSections(cmd)...)
	for _, s := range []manual.Section{
		{Title: "Exit status", Blocks: statuses(cmd)},
		{Title: "Environment", Blocks: mentions(cmd, environment)},
		{Title: "Files", Blocks: mentions(cmd, files)},
		{Title: "Examples", Blocks: examples(cmd)},
		{Title: "See also", Blocks: []manual.Block{manual.Para(strings.Join(seeAlso(cmd), ", "))}},
	} {
		if s.Blocks != nil {
			page.Sections = append(page.Sections, s)
		}
	}
	return page
}

// commandSections lists the commands of the program, in the order of their groups.
func commandSections(cmd *cobra.Command) (sections []manual.Section) {
	if cmd.HasParent() {
		return nil
	}
	var items manual.Items
	for _, group := range commandGroups {
		for _, name := range group.commands {
			if c, _, err := cmd.Find([]string{name}); err == nil {
				items = append(items, manual.Item{Term: name, Text: c.Short})
			}
		}
	}
	return []manual.Section{{Title: "Commands", Blocks: []manual.Block{items}}}
}

// manName is the name of a command's manual page.
func manName(path string) string { return strings.ReplaceAll(path, " ", "-") }

// paragraphs splits a text at its empty lines. A paragraph that begins with blanks keeps its
// lines; any other is wrapped.
func paragraphs(text string) (blocks []manual.Block) {
	for p := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		lines := strings.Split(strings.ReplaceAll(p, "\t", "  "), "\n")
		if strings.HasPrefix(lines[0], " ") {
			blocks = append(blocks, manual.Lines(lines))
		} else {
			blocks = append(blocks, manual.Para(p))
		}
	}
	return blocks
}

func examples(cmd *cobra.Command) []manual.Block {
	if cmd.Example == "" {
		return nil
	}
	var lines manual.Lines
	for line := range strings.SplitSeq(cmd.Example, "\n") {
		lines = append(lines, strings.TrimPrefix(line, "  "))
	}
	return []manual.Block{lines}
}

// statuses lists the exit statuses of a command.
func statuses(cmd *cobra.Command) []manual.Block {
	failed := "it failed; a line on standard error says why"
	if cmd.Name() == "doctor" {
		failed = "doctor found that something is off (the report says what), or it failed (a line on standard error says why)"
	}
	items := manual.Items{
		{Term: "0", Text: "success, or the reader of standard output went away"},
		{Term: "1", Text: failed},
		{Term: "2", Text: "the command line was wrong"},
	}
	if cmd.Flags().Lookup("max-cpu") != nil {
		items = append(items, manual.Item{Term: "3", Text: "the BPF programs took more than --max-cpu allows, and ktlstop detached them"})
	}
	items = append(items, manual.Item{Term: "130", Text: "a second signal ended it"})
	blocks := []manual.Block{items}
	if cmd.Flags().Lookup("max-cpu") != nil {
		blocks = append(blocks, manual.Para(signals))
	}
	return blocks
}

// signals says what signals do to a command that traces.
const signals = `SIGINT (Ctrl-C), SIGTERM and SIGHUP end a run cleanly: ktlstop detaches the hooks
and gives the output 1.5 seconds to take what is left. If the output does not take all of it, ktlstop
reports on standard error how much is lost, and exits with status 1. A second signal ends ktlstop at once.`
