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

// watcher collects what is seen of those that are wanted, and looks at their processes
// while they are there.
type watcher struct {
	want   *facts.Want
	reader *facts.Reader
	log    doctor.Log
	known  map[int]doctor.Process
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
	s := watcher{want: want, reader: r, known: map[int]doctor.Process{}}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.watch)
	defer cancel()
	unseen, err := w.Run(ctx, func(sight *event.Sight) { s.see(sight, w.Since(sight.Mono)) })
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	f := r.Look(want, s.known)
	f.Watched, f.Asks, f.Hellos = took, s.log.Asks, s.log.Hellos
	f.NotSeen = append(f.NotSeen, w.Missing()...)
	n := unseen + s.log.Dropped
	f.BlindToULP, f.BlindToKeys = n > 0 || !w.Sees("tcp_set_ulp"), n > 0 || !w.Sees("tls_setsockopt")
	if n > 0 {
		f.NotSeen = append(f.NotSeen, fmt.Sprintf("%d messages and answers, for want of room", n))
	}
	return f, nil
}

func (s *watcher) see(sight *event.Sight, at time.Duration) {
	ends, pid := doctor.EndsOf(&sight.Conn), int(sight.Proc.PID)
	if !s.want.Event(&ends, pid, sight.Proc.Comm.String()) {
		return
	}
	s.log.Add(sight, at)
	if _, seen := s.known[pid]; seen || pid == 0 {
		return
	}
	p, err := s.reader.Process(pid, true)
	if err != nil && p.Comm == "" {
		return // it is gone
	}
	p.Named = !s.want.All()
	s.known[pid] = p
}
