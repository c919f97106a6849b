package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/nearest"
)

const aboutShort = `ktlstop shows the TLS records of kernel TLS (kTLS) sockets: who sends and
receives them, their type and length, and where the time goes.`

const about = aboutShort + `

It attaches BPF programs to the kernel's TLS code, where the plaintext is. So it
also sees what no process encrypts itself: files sent by sendfile, data that is
spliced, and the sockets of the kernel's own NVMe/TCP and NFS.

Without a command ktlstop is a live dashboard of connections, processes, records,
errors, and what the run itself sees and loses. Enter opens a connection, with
histograms of each stage of its records; / filters; w writes a snapshot as JSON;
? shows all keys; q ends it. With -o json it prints snapshots instead.

With --read the dashboard shows a recording, at the pace at which it was recorded
unless --speed changes that, and keeps the last picture at its end; or it shows
what ktlstop serve sees on other hosts. Flags that act while events are recorded,
such as the filters, -s and --duration, are refused with a recording. With URLs,
--match, --comm and --duration work.

Tracing needs root and a Linux kernel with CONFIG_TLS and type information (BTF),
from 6.0 on x86-64 and from 6.4 on arm64. The gobpf backend needs no type
information, and takes arm64 from 6.0 on. --read needs none of this, and works on
macOS and Windows too. Without -s no application data leaves the kernel.`

// newRoot is the command tree. Errors are main's to print.
func newRoot() *cobra.Command {
	root := newDashboard()
	root.Use = "ktlstop"
	root.Short = "See the records of kernel TLS sockets"
	root.Long = about
	root.Example = `  ktlstop
  ktlstop --comm nginx --dir tx         what nginx sends
  ktlstop --read events.jsonl           a recording of ktlstop trace -o json
  ktlstop --read https://web1:9998      another host, which runs ktlstop serve
  ktlstop -o json -d 10s                a snapshot every ten seconds`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp(root))
	root.AddCommand(newTrace(), newInspect(), newList(), newVersion())
	root.AddCommand(linuxCommands()...)
	addCompletion(root)
	root.InitDefaultHelpCmd() // now, so that all else finds it
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
	completion.Short = "Print a shell's completion script"
	completion.Long = `completion prints a script with which a shell completes ktlstop's commands, flags
and values with Tab. The packages install those of bash, zsh and fish. The help of
each shell's script, such as ktlstop completion zsh --help, says how to load it.
bash needs the package bash-completion.`
	completion.Example = "  source <(ktlstop completion bash)     in this shell"
	completion.Use = "completion bash|fish|powershell|zsh"
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
		return usagef("unknown command %q%s", args[0], didYouMean("", args[0], commandNames(cmd)))
	}
	return usagef("%s takes no arguments, and %q is one", cmd.CommandPath(), args[0])
}

// takes is what the flags of each type take.
var takes = map[string]string{
	"bool": "true or false", "duration": "a time, as 10s or 5m", "float64": "a number",
	"int": "a whole number", "int64": "a whole number", "uint64": "a whole number, not less than 0",
	"uint16": "from 1 to 65535", "uintSlice": "whole numbers, as of processes",
}

func commandNames(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return names
}

// didYouMean is a question for the end of a message about a word that is unknown, empty
// if no word is near. prefix comes before the word.
func didYouMean(prefix, word string, words []string) string {
	if meant := nearest.To(word, words); meant != "" {
		return ": did you mean " + prefix + meant + "?"
	}
	return ""
}

// unknownFlag is the error of a flag that cmd does not have.
func unknownFlag(cmd *cobra.Command, err *pflag.NotExistError) error {
	if err.GetSpecifiedShortnames() != "" {
		return &usageError{err}
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return usagef("%w%s", err, didYouMean("--", err.GetSpecifiedName(), names))
}

// flagError says what a flag takes where its value is wrong: the cause is of Go's
// words.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		return unknownFlag(cmd, unknown)
	}
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return &usageError{err}
	}
	flag := wrong.GetFlag()
	var twice *onceError
	if errors.As(err, &twice) {
		return usagef("--%s %w", flag.Name, twice)
	}
	what := takes[flag.Value.Type()]
	if what == "" {
		return &usageError{err}
	}
	if errors.Is(err, strconv.ErrRange) && flag.Value.Type() != "uint16" {
		what += ", and none so far from 0"
	}
	return usagef("--%s %s: %s", flag.Name, wrong.GetValue(), what)
}
