package session

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// Feed is the feed of another host, which source.Remote implements.
type Feed interface {
	// Next returns the next event of the host, or a Host event when it appears, goes
	// away or comes back; io.EOF when ctx ends.
	Next(ctx context.Context) (event.Event, error)
	// Address is where the host is.
	Address() string
	// Offset is the wall clock time of the host's last event minus its monotonic time.
	Offset(uint64) int64
}

// Fleet is the pull side of several other hosts: one snapshot of all of them, on the clock of
// this machine. Run reads their feeds. Any goroutine may call Snapshot and Select while Run
// runs.
type Fleet struct {
	feeds     []Feed
	names     *Names
	collector *flow.Collector
	clock     *Clock
	run       flow.Run

	mu      sync.Mutex
	hosts   []flow.RunHost
	missing [][]string // what each of them lacks
}

// NewFleet returns a Fleet of hosts. about is what the screen shows of the run.
func NewFleet(feeds []Feed, about About) *Fleet {
	f := &Fleet{feeds: feeds, names: NewNames(len(feeds)), clock: NewClock(nil), missing: make([][]string, len(feeds)),
		run: flow.Run{Version: about.Version, Filter: about.Filter, Notes: about.Notes}}
	f.collector = flow.NewCollector(flow.Config{Offset: f.clock.Offset(loader.Monotonic()), Audited: true})
	for _, feed := range feeds {
		f.hosts = append(f.hosts, flow.RunHost{Name: feed.Address(), Address: feed.Address(), Away: true, Reason: "it has not answered yet", Since: loader.Monotonic()})
	}
	return f
}

// Run reads all hosts until ctx ends. The error is that of the first host that could not be
// read at all.
func (f *Fleet) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(f.feeds))
	var all sync.WaitGroup
	for i := range f.feeds {
		all.Go(func() {
			if errs[i] = f.follow(ctx, i); errs[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// follow reads one host.
func (f *Fleet) follow(ctx context.Context, i int) error {
	named := source.Named{Number: uint64(i) + 1}
	for {
		ev, err := f.feeds[i].Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if host, ok := ev.(*event.Host); ok {
			f.noteHost(&named, host, i)
		}
		named.Rename(ev)
		f.collector.Observe(ev)
	}
}

// noteHost stores what a host reported of itself, and the offset of its clock.
func (f *Fleet) noteHost(n *source.Named, h *event.Host, i int) {
	now := loader.Monotonic()
	f.mu.Lock()
	defer f.mu.Unlock()
	at := &f.hosts[i]
	at.Away, at.Reason, at.Since = h.State == event.HostAway, h.Reason, now
	if h.State == event.HostHere {
		n.Shift = int64(now - h.Mono) // its events are as old as the network is slow
		n.Host = f.names.Of(i, h.Name, f.feeds[i].Address())
		at.Name, at.Kernel, at.Version = n.Host, h.Kernel, h.Version
		f.missing[i] = h.Missing
		return
	}
	if n.Host == "" { // it never told its name
		n.Host = f.feeds[i].Address()
	}
	h.Mono = now - uint64(n.Shift) // what Rename makes now of
}

// Snapshot returns the current state.
func (f *Fleet) Snapshot() *flow.Snapshot {
	now := loader.Monotonic()
	s := f.collector.Snapshot(now)
	s.Offset = f.clock.Offset(now)
	run := f.run
	f.mu.Lock()
	defer f.mu.Unlock()
	run.Hosts = slices.Clone(f.hosts)
	run.Source = f.where()
	if len(f.hosts) == 1 {
		run.Host, run.Kernel = f.hosts[0].Name, f.hosts[0].Kernel
	}
	run.Notes = slices.Clone(run.Notes)
	for i, missing := range f.missing {
		for _, what := range missing {
			run.Notes = append(run.Notes, f.hosts[i].Name+" lacks "+what)
		}
	}
	if note := f.clock.note(); note != "" {
		run.Notes = append(run.Notes, note)
	}
	s.Run = &run
	return s
}

// where returns the watched hosts in a few words.
func (f *Fleet) where() string {
	names := make([]string, len(f.hosts))
	for i := range f.hosts {
		names[i] = f.hosts[i].Name
	}
	return strings.Join(names, ", ")
}

// Select chooses the connection that snapshots show in detail; 0 is none.
func (f *Fleet) Select(id uint64) { f.collector.Select(id) }
