package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func newList() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the kTLS sockets that are open now",
		Long: `list prints each kTLS socket that is open, once, in all network namespaces, with its
owner, and for each direction the version, the cipher and who encrypts (mode).
Sockets of the kernel's own NVMe/TCP and NFS are among them. Use it to check that a
program's connections are on kernel TLS; ktlstop doctor says why they are not.

list applies the filters to the sockets that it found. If there are none, it says so
on standard error and exits with status 0. list waits for the reader of its output.`,
		Example: `  ktlstop list
  ktlstop list --comm nginx --wide
  ktlstop list --match 'version < 1.3 or cipher == AES-GCM-128'
  ktlstop list -o json | jq -r .comm`,
		RunE: func(cmd *cobra.Command, _ []string) error { return list(cmd, &o) },
	}
	o.filterFlags(cmd.Flags())
	o.outputFlags(cmd.Flags())
	o.loadFlags(cmd.Flags())
	o.names.add(cmd.Flags())
	f := cmd.Flags()
	f.Lookup("cgroup").Usage = "only processes in this cgroup v2 directory, not below it"
	f.Lookup("dir").Usage = "only sockets with kernel TLS for what they send (tx) or receive (rx)"
	f.Lookup("wide").Usage = "long lines with everything that is known"
	f.Lookup("write").Usage = "write to this file, or to standard output if it is -"
	f.Lookup("output-bytes").Usage = "how many bytes may wait for the reader of the output"
	return cmd
}

func list(cmd *cobra.Command, o *options) error {
	if err := o.checkOutput(); err != nil {
		return err
	}
	if strings.HasSuffix(o.file, pcapngSuffix) && !cmd.Flags().Changed("output") {
		return usagef("-w %s: list has lines and no packets: say -o text or -o json, or use ktlstop trace", o.file)
	}
	cfg, err := o.config(cmd)
	if err != nil {
		return err
	}
	if field, ok := session.Listable(o.expr); !ok {
		return usagef("--match: list shows sockets, and %s belongs to a record: leave it out, or use ktlstop trace", field)
	}
	known, err := o.names.open()
	if err != nil {
		return err
	}
	o.wait = true // a list is whole, or it is none
	out := listing{text: o.output == "text"}
	err = session.List(cmd.Context(), session.Config{Loader: cfg, Names: known}, func(s *session.Session) (sink.Sink, error) {
		reportMissing(s)
		out.Output, err = o.open(cmd.OutOrStdout(), event.TierNone)
		return &out, err
	})
	if out.Output == nil {
		return err
	}
	closed := out.Close()
	if errors.Is(err, sink.ErrStopped) { // although all that was put may have been read since
		return cmp.Or(closed, errListCut)
	}
	if err = errors.Join(err, closed); err == nil && out.n == 0 && out.text {
		notice(noSockets(filterText(cmd.Flags())))
	}
	return err
}

// listing counts what it is given.
type listing struct {
	*sink.Output
	n    int
	text bool // for people
}

func (l *listing) Write(ev event.Event) error {
	if lost, ok := ev.(*event.Lost); ok && l.text {
		notice(notFound(lost.Count))
		return nil
	}
	l.n++
	return l.Output.Write(ev)
}

// notFound is said of sockets that the list lacks, though the kernel counts them.
func notFound(n uint64) string {
	return fmt.Sprintf("the list is not whole: the kernel counts %s more with kernel TLS (/proc/net/tls_stat of the network namespaces); ktlstop trace shows them at their first record",
		sockets(n))
}

func sockets(n uint64) string {
	if n == 1 {
		return "1 socket"
	}
	return fmt.Sprintf("%d sockets", n)
}

// noSockets is said instead of an empty list, which would leave a person to guess.
func noSockets(filter string) string {
	if filter != "" {
		return "no open kernel TLS socket is one of " + filter
	}
	return "no kernel TLS sockets are open: a program must ask for kernel TLS, and few do unless they are told to (ktlstop demo makes some)"
}

var errListCut = errors.New("the list is not whole: it was stopped before its reader took it")
