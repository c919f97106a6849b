package main

import (
	"cmp"
	"errors"

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
		Long: `list prints every kTLS socket of every network namespace once, with its owner,
version, cipher and mode for each direction.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return list(cmd, &o) },
	}
	o.filterFlags(cmd.Flags())
	o.outputFlags(cmd.Flags())
	o.loadFlags(cmd.Flags())
	return cmd
}

func list(cmd *cobra.Command, o *options) error {
	if err := o.checkOutput(); err != nil {
		return err
	}
	cfg, err := o.config(cmd)
	if err != nil {
		return err
	}
	if field, ok := session.Listable(o.expr); !ok {
		return usagef("--match: list shows sockets, and %s belongs to a record: leave it out, or use ktlstop trace", field)
	}
	o.wait = true // a list is whole, or it is none
	var out *sink.Output
	err = session.List(cmd.Context(), cfg, func(s *session.Session) (sink.Sink, error) {
		sayWhatLacks(s)
		out, err = o.open(cmd.OutOrStdout(), event.TierNone)
		return out, err
	})
	if out == nil {
		return err
	}
	closed := out.Close()
	if errors.Is(err, sink.ErrStopped) { // although all that was put may have been read since
		return cmp.Or(closed, errListCut)
	}
	return errors.Join(err, closed)
}

var errListCut = errors.New("the list is not whole: it was stopped before its reader took it")
