package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/manual"
)

// commandGroups lists the commands by what they are for, in the order of the help.
var commandGroups = []struct {
	title    string
	commands []string
}{
	{"Look", []string{"trace", "inspect", "list"}},
	{"Explain", []string{"doctor"}},
	{"Record", []string{"tap"}},
	{"Fleet", []string{"serve"}},
	{"Test", []string{"demo", "gen", "bench"}},
	{"Program", []string{"version", "completion", "help"}},
}

// topic is a page of help that belongs to no command.
type topic struct {
	name, short string
	page        func(root *cobra.Command) *manual.Page
}

// eventsTopic is the topic that takes a type of event as a second argument.
const eventsTopic = "events"

var topics = []topic{
	{"dashboard", "The flags of ktlstop without a command", pageOf},
	{"filters", "What the filter flags and --match take", func(*cobra.Command) *manual.Page { return filtersPage() }},
	{eventsTopic, "The events of -o json and their fields", func(*cobra.Command) *manual.Page { return eventsPage() }},
}

// newHelp is cobra's help command with topics. An unknown command or topic is a usage
// error, with a line that lists what help knows.
func newHelp(root *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "help [COMMAND | TOPIC [TYPE]]",
		Short: "Show the help of a command or a topic",
		Long: `help shows what ktlstop COMMAND --help shows, and pages that belong to no command:
dashboard (the flags of ktlstop without a command), filters (the filter flags and
the language of --match) and events (the lines of -o json, field by field; with
a type, that type alone).`,
		Example: `  ktlstop help trace
  ktlstop help filters | less
  ktlstop help events record`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return help(cmd, root, args) },
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			for _, one := range helpNames(root) {
				names = append(names, cobra.CompletionWithDesc(one.name, one.short))
			}
		case len(args) == 1 && args[0] == eventsTopic:
			names = lineTypes
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

func help(cmd, root *cobra.Command, args []string) error {
	if len(args) == 1 {
		for _, t := range topics {
			if t.name == args[0] {
				return writeHelp(cmd.OutOrStdout(), t.page(root).Text())
			}
		}
	}
	if len(args) == 2 && args[0] == eventsTopic {
		if args[1] != unsent && !slices.Contains(lineTypes, args[1]) {
			return usagef("help events: no type %q: there are %s", args[1], strings.Join(lineTypes, ", "))
		}
		return writeHelp(cmd.OutOrStdout(), typePage(args[1]).Text())
	}
	of, rest, err := root.Find(args)
	if err != nil || len(rest) > 0 {
		var names []string
		for _, one := range helpNames(root) {
			names = append(names, one.name)
		}
		return usagef("help: no command or topic %q: there are %s", strings.Join(args, " "), strings.Join(names, ", "))
	}
	return of.Help()
}

// helpNames are the commands and topics that help knows.
func helpNames(root *cobra.Command) (all []topic) {
	for _, group := range commandGroups {
		for _, name := range group.commands {
			if c, _, err := root.Find([]string{name}); err == nil {
				all = append(all, topic{name: name, short: c.Short})
			}
		}
	}
	return append(all, topics...)
}

// printHelp writes the help of a command, as --help does. For the program itself it is an
// overview that fits a screen of 24 lines.
func printHelp(cmd *cobra.Command) error {
	if !cmd.HasParent() {
		return writeHelp(cmd.OutOrStdout(), overview(cmd))
	}
	return writeHelp(cmd.OutOrStdout(), pageOf(cmd).Text())
}

func writeHelp(stdout io.Writer, text string) error {
	if _, err := io.WriteString(stdout, text); err != nil {
		return fmt.Errorf("write the help to standard output: %w", err)
	}
	return nil
}

// overview is the help of the program.
func overview(root *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintln(&b, aboutShort)
	fmt.Fprint(&b, "\nUsage:\n  ktlstop [flags]            the live dashboard; ? shows its keys, q ends it\n  ktlstop COMMAND [flags]\n\n")
	row := func(title, name, short string) { fmt.Fprintf(&b, "%-9s%-16s%s\n", title, name, short) }
	for _, group := range commandGroups {
		title := group.title
		for _, name := range group.commands {
			c, _, err := root.Find([]string{name})
			if err == nil {
				row(title, name, c.Short)
			}
			title = ""
		}
	}
	title := "Topics"
	for _, t := range topics {
		row(title, "help "+t.name, t.short)
		title = ""
	}
	return b.String()
}
