package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// snapshots writes a line of JSON for each. Where nobody reads them some are left
// out: the next one has all that is in them.
type snapshots struct {
	session *Session
	out     *sink.Queue
	leftOut int
}

// WriteSnapshots writes a snapshot each interval while run, which is to call Run,
// has not returned, and a last one when the hooks are gone, which holds every
// record. It says for how many there was no room in out. The session is one with
// Config.Watch.
func (s *Session) WriteSnapshots(ctx context.Context, out *sink.Queue, interval time.Duration, run func(context.Context) error) (leftOut int, err error) {
	p := &snapshots{session: s, out: out}
	err = p.follow(ctx, interval, run)
	return p.leftOut, err
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
	b, err := json.Marshal(p.session.Snapshot())
	if err != nil {
		return fmt.Errorf("encode the snapshot: %w", err)
	}
	taken, err := p.out.Put(append(b, '\n'), rank)
	if err == nil {
		err = p.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	if !taken {
		p.leftOut++
	}
	return nil
}
