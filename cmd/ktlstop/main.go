// Command ktlstop shows the records of kernel TLS sockets: who sends and
// receives them, what they are, and where their time goes.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/ending"
	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// endings is the program's: signals are the whole process's as well. Hooks end with
// the process.
var endings = ending.New(func() { console.say("stopped by the signal; unfinished work was dropped") }, exit)

func exit(status int) {
	console.close()
	os.Exit(status)
}

func main() {
	// A reader that goes away is an error to handle, not a signal to die of.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go endings.Follow(signals)
	exit(run(os.Args[1:]))
}

// run does everything and says with which status to exit: 0, 1 for a failure,
// 2 for a wrong command line, 3 where --max-cpu ended the trace.
func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(standardOutput{})
	var help error // cobra does not hand it back
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { help = printHelp(c) })
	cmd, err := root.ExecuteContextC(endings.Context())
	err = withoutKind(errors.Join(err, help), errReaderGone)
	if err == nil {
		return 0
	}
	if err = withoutKind(err, errOff); err == nil {
		return 1
	}
	console.say(err.Error() + hint(err))
	var usage *usageError
	if errors.As(err, &usage) {
		if cmd.Name() == "help" {
			cmd = cmd.Root() // whose help lists the commands
		}
		console.line("Try: " + cmd.CommandPath() + " --help")
		return 2
	}
	var cost *loader.CostError
	if errors.As(err, &cost) {
		return 3
	}
	return 1
}

// errOff is the verdict of doctor that something is off: exit status 1, and no message,
// since the report says it.
var errOff = errors.New("something is off")

// errReaderGone is the end of who read standard output, which is no failure.
var errReaderGone = errors.New("nobody reads standard output any more")

// standardOutput tells the end of its reader from that of any other.
type standardOutput struct{}

func (standardOutput) Write(b []byte) (int, error) {
	n, err := os.Stdout.Write(b)
	if readerGone(err) {
		err = errReaderGone
	}
	return n, err
}

// flagOf is what sets a field of loader.Config, where errors name the field.
var flagOf = map[string]string{
	"Backend": "--backend", "ListOnly": "ktlstop trace, instead of ktlstop list", "Match": "--match",
	"Sample": "--sample", "Snaplen": "-s",
}

// withoutKind is err without what is of the kind no. Errors that were joined are
// looked at one by one.
func withoutKind(err, no error) error {
	if !errors.Is(err, no) {
		return err
	}
	var left []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			left = append(left, withoutKind(e, no))
		}
	}
	return errors.Join(left...)
}

// hint is what the command line can do about an error of the tracer or the session.
func hint(err error) string {
	var cost *loader.CostError
	var lacks *loader.UnsupportedError
	switch {
	case errors.As(err, new(*session.ListError)):
		return " (--ring-bytes)"
	case errors.Is(err, loader.ErrUnsupportedPlatform):
		return " (--read FILE, or --read URL)"
	case errors.Is(err, loader.ErrNoGobpf):
		return " (make build-gobpf)"
	case errors.Is(err, loader.ErrAmbiguousFilter):
		return " (--socket-filter OBJ:PROGRAM)"
	case errors.As(err, &cost):
		return " (--max-cpu)"
	case errors.As(err, &lacks) && flagOf[lacks.Setting] != "":
		return " (" + flagOf[lacks.Setting] + ")"
	}
	return ""
}

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}
