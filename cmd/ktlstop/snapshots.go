package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// printSnapshots writes a snapshot each interval as a line of JSON, and a last
// one when the hooks are gone, which holds every record.
func printSnapshots(ctx context.Context, s *session.Session, out io.Writer, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	traced := make(chan error, 1)
	go func() { traced <- s.Run(ctx, nil) }()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case err := <-traced:
			var cost *loader.CostError
			if err != nil && !errors.As(err, &cost) {
				return err
			}
			return errors.Join(printSnapshot(s, out), err)
		case <-tick.C:
			if err := printSnapshot(s, out); err != nil {
				cancel()
				<-traced
				return err
			}
		}
	}
}

func printSnapshot(s *session.Session, out io.Writer) error {
	b, err := json.Marshal(s.Snapshot())
	if err != nil {
		return fmt.Errorf("encode the snapshot: %w", err)
	}
	if _, err := out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write the snapshot to standard output: %w", err)
	}
	return nil
}
