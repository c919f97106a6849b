package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// snapshots writes a line of JSON for each snapshot. If the reader is too slow it skips some:
// the next snapshot includes what they had.
type snapshots struct {
	of      Picture
	out     *sink.Queue
	skipped int
}

// Picture is a source of snapshots: a Session with Config.Watch, or a Fleet.
type Picture interface{ Snapshot() *flow.Snapshot }

// WriteSnapshots writes a snapshot each interval until run returns, and a last one
// afterwards, which includes every record. It reports how many found no room in out.
func WriteSnapshots(ctx context.Context, of Picture, out *sink.Queue, interval time.Duration, run func(context.Context) error) (leftOut int, err error) {
	p := &snapshots{of: of, out: out}
	err = p.follow(ctx, interval, run)
	return p.skipped, err
}

func (p *snapshots) follow(ctx context.Context, interval time.Duration, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	traced := make(chan error, 1)
	go func() { traced <- run(ctx) }()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case err := <-traced:
			var cost *loader.CostError
			if err != nil && !errors.As(err, &cost) {
				return err
			}
			return errors.Join(p.write(sink.Last), err)
		case <-tick.C:
			if err := p.write(sink.Ordinary); err != nil {
				cancel()
				<-traced
				return err
			}
		}
	}
}

func (p *snapshots) write(rank sink.Rank) error {
	b, err := json.Marshal(p.of.Snapshot())
	if err != nil {
		return fmt.Errorf("encode the snapshot: %w", err)
	}
	accepted, err := p.out.Put(append(b, '\n'), rank)
	if err == nil {
		err = p.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	if !accepted {
		p.skipped++
	}
	return nil
}
