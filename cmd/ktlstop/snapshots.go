package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
)

// printSnapshots writes the session's snapshots, one a line.
func printSnapshots(ctx context.Context, s *session.Session, stdout io.Writer, interval time.Duration) error {
	q := sink.NewQueue(keepOpen{stdout}, sink.QueueConfig{})
	leftOut, err := s.WriteSnapshots(ctx, q, interval, func(ctx context.Context) error {
		return endings.Busy(func() error { return s.Run(ctx, nil) })
	})
	if closed := q.Close(endings.GiveUp()); err == nil && closed != nil {
		err = fmt.Errorf("write the snapshots to standard output: %w", closed)
	}
	if leftOut > 0 {
		notice(fmt.Sprintf("%d snapshots were left out: standard output takes less than there is", leftOut))
	}
	return err
}
