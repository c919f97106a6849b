package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
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
	if err := o.checkListable(); err != nil {
		return err
	}
	cfg.ListOnly, cfg.Match = true, nil
	t, err := openTracer(cfg)
	if err != nil {
		return err
	}
	defer t.Close()
	out, err := o.open(cmd.OutOrStdout(), event.TierNone)
	if err != nil {
		return err
	}
	return errors.Join(listSockets(t, out, &cfg.Filter, o.expr), out.Close())
}

// listSockets prints what the inventory found; nothing else is attached.
func listSockets(t *loader.Tracer, out *output, f *loader.Filter, e *match.Expr) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // there is nothing to wait for: Run empties the ring and returns
	return t.Run(ctx, withContainers(func(ev event.Event) error {
		switch ev := ev.(type) {
		case *event.Socket:
			if f.MatchSocket(ev) && e.OfSocket(ev) == match.Yes {
				return out.Write(ev)
			}
		case *event.Lost:
			return fmt.Errorf("%d sockets are missing from the list (%s): give it a larger --ring-bytes", ev.Count, ev.Cause)
		}
		return nil
	}), nil)
}
