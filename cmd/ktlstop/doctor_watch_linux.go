package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/internal/doctor"
	"github.com/ktlstop/ktlstop/internal/doctor/facts"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// watcher collects what is seen of those that are wanted, and has their processes looked
// at while they are there.
type watcher struct {
	want   *facts.Want
	looker *facts.ProcessReader
	log    doctor.Log
}

// watched watches, and then looks at the rest. A signal ends the watch early.
func (o *doctorOptions) watched(ctx context.Context, want *facts.Want, r *facts.Reader) (*doctor.Facts, error) {
	w, err := loader.OpenWatch(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := o.ready(); err != nil {
		return nil, err
	}
	notice(fmt.Sprintf("watching for %v; Ctrl-C ends it and reports", o.watch))
	s := watcher{want: want, looker: facts.NewProcessReader(r)}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.watch)
	defer cancel()
	dropped, err := w.Run(ctx, func(seen *event.Observation) { s.see(seen, w.Since(seen.Mono)) })
	elapsed := time.Since(begin)
	var notSeen []string
	known := s.looker.End(&notSeen)
	if err != nil {
		return nil, err
	}
	for i := range known {
		known[i].Named = !want.All()
	}
	f := r.Look(want, known)
	f.NotSeen = append(f.NotSeen, notSeen...)
	f.Watched, f.Requests, f.Hellos = elapsed, s.log.Requests, s.log.Hellos
	f.NotSeen = append(f.NotSeen, w.Missing()...)
	n := dropped + s.log.Dropped
	f.MayMissULP, f.MayMissKeys = n > 0 || !w.Sees("tcp_set_ulp"), n > 0 || !w.Sees("tls_setsockopt")
	if n > 0 {
		f.NotSeen = append(f.NotSeen, fmt.Sprintf("%d messages and answers, for want of room", n))
	}
	if n := w.Skipped(); n > 0 {
		f.NotSeen = append(f.NotSeen, fmt.Sprintf("up to %d messages and answers, since the kernel skipped a hook: watch again", n))
	}
	return f, nil
}

// see must not wait: the ring fills meanwhile.
func (s *watcher) see(o *event.Observation, at time.Duration) {
	ends, pid := doctor.EndsOf(&o.Conn), int(o.Proc.PID)
	if !s.want.Event(&ends, pid, o.Proc.Comm.String()) {
		return
	}
	var started uint64
	if pid != 0 && !s.log.Full() {
		started = s.looker.Enqueue(pid)
	}
	s.log.Add(o, at, started)
}
