package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const about = `ktlstop shows the TLS records of kernel TLS (kTLS) sockets where the kernel seals
and opens them: who sends and receives them, of which type and length, and
where the time goes (queue, encrypt, push; wait, decrypt, deliver).

Without a command it is a live dashboard.`

// newRoot is the command tree. Errors are main's to print.
func newRoot() *cobra.Command {
	root := newDashboard()
	root.Use = "ktlstop"
	root.Short = "See the records of kernel TLS sockets"
	root.Long = about
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.SetHelpCommand(newHelp(root))
	root.AddCommand(newTrace(), newInspect(), newList(), newVersion())
	root.AddCommand(linuxCommands()...)
	addCompletion(root)
	for _, c := range append(root.Commands(), root) {
		addValues(c)
		if c.Args == nil {
			c.Args = noArgs
		}
	}
	return root
}

// addCompletion adds cobra's command, which prints a script for a shell, now and
// not at its first use, so that all else finds it.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, _ := root.Find([]string{"completion"})
	var shells []string
	for _, c := range completion.Commands() {
		c.Args = noArgs
		shells = append(shells, c.Name())
	}
	of := strings.Join(shells, ", ")
	completion.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usagef("completion %s: there is one for each of %s", args[0], of)
	}
	completion.RunE = func(*cobra.Command, []string) error { return usagef("completion: of which shell? %s", of) }
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		return usagef("unknown command %q", args[0])
	}
	return usagef("%s takes no arguments, and %q is one", cmd.CommandPath(), args[0])
}

// newHelp is cobra's command, but for its calm about commands that there are not.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		Args:  cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("help: unknown command %q", strings.Join(args, " "))
			}
			cmd.InitDefaultHelpFlag() // which the text lists
			return cmd.Help()
		},
	}
}

// printHelp writes what --help asks for.
func printHelp(cmd *cobra.Command) error {
	about := strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short))
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n\n%s", about, cmd.UsageString()); err != nil {
		return fmt.Errorf("write the help to standard output: %w", err)
	}
	return nil
}

// takes is what the flags of each type take.
var takes = map[string]string{
	"bool": "true or false", "duration": "a time, as 10s or 5m", "float64": "a number",
	"int": "a whole number", "int64": "a whole number", "uint64": "a whole number, not less than 0",
	"uint16": "from 1 to 65535", "uintSlice": "whole numbers, as of processes",
}

// flagError says what a flag takes where its value is wrong: the cause is of Go's
// words.
func flagError(err error) error {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return &usageError{err}
	}
	flag := wrong.GetFlag()
	what := takes[flag.Value.Type()]
	if what == "" {
		return &usageError{err}
	}
	if errors.Is(err, strconv.ErrRange) && flag.Value.Type() != "uint16" {
		what += ", and none so far from 0"
	}
	return usagef("--%s %s: %s", flag.Name, wrong.GetValue(), what)
}
