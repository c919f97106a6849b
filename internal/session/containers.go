package session

import (
	"github.com/ktlstop/ktlstop/internal/cgroup"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// withContainers fills in which container the process of each event is in. The
// kernel knows cgroups only.
func withContainers(handle func(event.Event) error) func(event.Event) error {
	index := cgroup.NewIndex()
	return func(ev event.Event) error {
		if p := processOf(ev); p != nil {
			p.Container = index.Container(p.CgroupID)
		}
		return handle(ev)
	}
}

// processOf is nil for events that are nobody's.
func processOf(ev event.Event) *event.Process {
	switch ev := ev.(type) {
	case *event.Record:
		return &ev.Proc
	case *event.Socket:
		return &ev.Proc
	case *event.Error:
		return &ev.Proc
	case *event.Drop:
		return &ev.Proc
	}
	return nil
}
