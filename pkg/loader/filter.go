package loader

import (
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// filtersRecords: a connection that passes does not say that each of its records does.
func (f *Filter) filtersRecords() bool {
	return len(f.PIDs) > 0 || len(f.Comms) > 0 || f.UID != nil || f.Cgroup != "" || f.Dir != nil
}

// wantedName is a name as the kernel keeps it.
func wantedName(s string) event.Comm { return event.MakeComm(event.TaskName(strings.TrimSpace(s))) }

// MatchSocket applies to a socket, in user space, what the kernel applies to
// records: its owner stands for the process, and a direction needs a key. The
// cgroup is the kernel's alone.
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
