package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// snapshots writes a line of JSON for each. Where nobody reads them some are left
// out: the next one has all that is in them.
type snapshots struct {
	session *session.Session
	out     *sink.Queue
	leftOut int
}

// printSnapshots writes a snapshot each interval, and a last one when the hooks
// are gone, which holds every record.
func printSnapshots(ctx context.Context, s *session.Session, out io.Writer, interval time.Duration) error {
	p := &snapshots{session: s, out: sink.NewQueue(keepOpen{out}, sink.QueueConfig{})}
	err := p.run(ctx, interval)
	if closed := p.out.Close(endings.giveUp()); err == nil && closed != nil {
		err = fmt.Errorf("write the snapshots to standard output: %w", closed)
	}
	if p.leftOut > 0 {
		notice(fmt.Sprintf("%d snapshots were left out: standard output takes less than there is", p.leftOut))
	}
	return err
}

func (p *snapshots) run(ctx context.Context, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	traced := make(chan error, 1)
	go func() { traced <- endings.busy(func() error { return p.session.Run(ctx, nil) }) }()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case err := <-traced:
			var cost *loader.CostError
			if err != nil && !errors.As(err, &cost) {
				return err
			}
			return errors.Join(p.print(sink.Last), err)
		case <-tick.C:
			if err := p.print(sink.Ordinary); err != nil {
				cancel()
				<-traced
				return err
			}
		}
	}
}

func (p *snapshots) print(rank sink.Rank) error {
	b, err := json.Marshal(p.session.Snapshot())
	if err != nil {
		return fmt.Errorf("encode the snapshot: %w", err)
	}
	taken, err := p.out.Put(append(b, '\n'), rank)
	if err == nil {
		err = p.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the snapshot to standard output: %w", err)
	}
	if !taken {
		p.leftOut++
	}
	return nil
}
