// Command ktlstop shows the records of kernel TLS sockets: who sends and
// receives them, what they are, and where their time goes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

func main() { os.Exit(run(os.Args[1:])) }

// run does everything and says with which status to exit: 0, 1 for a failure,
// 2 for a wrong command line, 3 where --max-cpu ended the trace.
func run(args []string) int {
	// A reader that goes away is an error to handle, not a signal to die of.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "ktlstop: "+sink.Sanitize(err.Error()))
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(os.Stderr, "Try: ktlstop --help")
		return 2
	}
	var cost *loader.CostError
	if errors.As(err, &cost) {
		return 3
	}
	return 1
}

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}
