package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
)

const defaultInterval = time.Second

func newDashboard() *cobra.Command {
	var o options
	interval := defaultInterval
	cmd := &cobra.Command{
		RunE: func(cmd *cobra.Command, _ []string) error { return dashboard(cmd, &o, interval, nil) },
	}
	o.filterFlags(cmd.Flags())
	o.runFlags(cmd.Flags())
	cmd.Flags().DurationVarP(&interval, "interval", "d", interval, "time between two pictures")
	return cmd
}

func dashboard(cmd *cobra.Command, o *options, interval time.Duration, started func() error) error {
	return errors.New("todo")
}
