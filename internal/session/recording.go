package session

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Recording is a run that was recorded, on its way to a screen: the pull side
// of a Session without its kernel. Play reads it; Snapshot and Select may be
// called from any goroutine meanwhile.
type Recording struct {
	source.Player
	collector *flow.Collector
	several   bool
	mu        sync.Mutex
	run       *flow.Run // replaced, never changed
}

// NewRecording plays what r reads at so many times the pace it was recorded
// with; at speed 0 all at once. name and version are for the screen.
func NewRecording(r *source.Reader, name, version string, speed float64) *Recording {
	p := newRecording(source.OneClock(r), r.Offset(), &flow.Run{Version: version, Source: "recording " + name, Tier: r.Tier()}, speed)
	p.several = r.Hosts()
	return p
}

// NewRecordings plays several, each of a host that names has.
func NewRecordings(all []*source.Reader, names []string, version string, speed float64) *Recording {
	run := &flow.Run{Version: version, Source: "recordings " + strings.Join(names, ", ")}
	for i, r := range all {
		run.Tier = max(run.Tier, r.Tier())
		run.Hosts = append(run.Hosts, flow.RunHost{Name: names[i]})
	}
	p := newRecording(source.NewMerge(all, names), all[0].Offset(), run, speed)
	p.several = true
	return p
}

func newRecording(s source.Stream, offset int64, run *flow.Run, speed float64) *Recording {
	p := &Recording{collector: flow.NewCollector(flow.Config{Offset: offset, Audited: true}), run: run}
	p.Reader, p.Speed, p.Handle = s, speed, p.handle
	if speed == 0 {
		p.Second = func(mono uint64) { p.collector.Snapshot(mono) }
	}
	return p
}

func (p *Recording) handle(ev event.Event) {
	if s, ok := ev.(*event.Summary); ok {
		p.mu.Lock()
		run := *p.run
		run.Notes, run.Programs = s.Missing, s.Cost
		p.run = &run
		p.mu.Unlock()
		return
	}
	p.collector.Observe(ev)
}

// Snapshot is the state as of where the player is.
func (p *Recording) Snapshot() *flow.Snapshot {
	s := p.collector.Snapshot(p.Now())
	p.mu.Lock()
	run := *p.run
	p.mu.Unlock()
	if p.Over() {
		run.Source += ", over"
	}
	s.Run = &run
	return s
}

// Several says that it is of several hosts.
func (p *Recording) Several() bool { return p.several }

// Select chooses the connection that snapshots show in detail; 0 is none.
func (p *Recording) Select(id uint64) { p.collector.Select(id) }

// Copy writes what r reads to out, to the end of either or of ctx. It returns how
// the reading and how the writing ended; that out was given up is for its owner to
// tell.
func Copy(ctx context.Context, r source.Stream, out sink.Sink) (read, written error) {
	for ctx.Err() == nil {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
		if err := out.Write(ev); errors.Is(err, sink.ErrStopped) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
	return nil, nil
}
