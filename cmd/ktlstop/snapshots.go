package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
)

// printSnapshots writes snapshots while run has not returned, one a line.
func printSnapshots(ctx context.Context, of session.Picture, stdout io.Writer, interval time.Duration, run func(context.Context) error) error {
	q := sink.NewQueue(keepOpen{stdout}, sink.QueueConfig{})
	leftOut, err := session.WriteSnapshots(ctx, of, q, interval, run)
	if closed := q.Close(endings.GiveUp()); err == nil && closed != nil {
		err = fmt.Errorf("write the snapshots to standard output: %w", closed)
	}
	if leftOut > 0 {
		notice(fmt.Sprintf("%d snapshots were left out: standard output takes less than there is", leftOut))
	}
	return err
}
