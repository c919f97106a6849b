package main

import (
	"github.com/spf13/cobra"
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
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(newTrace(), newInspect(), newTap(), newList(), newGen(), newBench(), newDemo(), newVersion())
	for _, c := range append(root.Commands(), root) {
		if c.Args == nil {
			c.Args = noArgs
		}
	}
	return root
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
