package loader

import (
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// filtersRecords reports whether f can reject records of a connection that passes.
func (f *Filter) filtersRecords() bool {
	return len(f.PIDs) > 0 || len(f.Comms) > 0 || f.UID != nil || f.Cgroup != "" || f.Dir != nil
}

// wantedName returns a name as the kernel keeps it.
func wantedName(s string) event.Comm { return event.MakeComm(event.TaskName(strings.TrimSpace(s))) }

// MatchSocket reports whether a socket passes f. It applies the tests that the kernel
// applies to records: s.Proc is the process, and Dir needs a key for that direction. It
// does not test Cgroup, which only the kernel can.
func (f *Filter) MatchSocket(s *event.Socket) bool {
	switch {
	case len(f.PIDs) > 0 && !slices.Contains(f.PIDs, s.Proc.PID),
		len(f.Comms) > 0 && !slices.ContainsFunc(f.Comms, func(c string) bool { return wantedName(c) == s.Proc.Comm }),
		f.UID != nil && *f.UID != s.Proc.UID,
		f.Dir != nil && [2]event.Mode{s.TX.Mode, s.RX.Mode}[*f.Dir&1] == event.ModeNone,
		f.NetNS != 0 && f.NetNS != s.Conn.NetNS,
		f.Port != 0 && f.Port != s.Conn.LPort && f.Port != s.Conn.RPort:
		return false
	}
	return true
}
