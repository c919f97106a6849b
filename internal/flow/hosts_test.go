package flow

import (
	"strconv"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

func of(host string, id uint64) event.Conn { return event.Conn{ID: id, Host: host} }

// TestHostsAreDistinguished: the same pid on two hosts is two processes, and what one host
// counted as lost explains no gap of the other.
func TestHostsAreDistinguished(t *testing.T) {
	table := NewTable(Config{Audited: true})
	for i, host := range []string{"a", "b"} {
		c := of(host, uint64(i)+1)
		table.Apply(&event.Record{Conn: c, Proc: event.Process{PID: 7, CgroupID: 3}, Len: 10, Mono: 1})
	}
	gap := of("b", 2)
	table.Apply(&event.Lost{Cause: "ring_full", Count: 5, Dir: event.TX, HasDir: true, Host: "a", Mono: 2})
	table.Apply(&event.Lost{Cause: CauseGap, Count: 5, Conn: &gap, Mono: 2})
	s := table.Snapshot(3)
	if len(s.Processes) != 2 || len(s.Cgroups) != 2 || len(s.Hosts) != 2 {
		t.Errorf("%d processes, %d cgroups, %d hosts", len(s.Processes), len(s.Cgroups), len(s.Hosts))
	}
	for i, want := range []string{"a", "b"} {
		if g := s.Hosts[i]; g.Host != want || !g.Whole || g.Conns != 1 || g.Lost != 5 || g.Totals.Bytes[event.TX] != 10 {
			t.Errorf("host %s: %+v", want, g)
		}
	}
	if s.LostTotal != 10 || s.Lost[CauseGap] != 5 || s.Lost["ring_full"] != 5 {
		t.Errorf("lost %d: %v", s.LostTotal, s.Lost)
	}
}

// TestAHostThatComesBack starts again; the others, and what was counted, stay.
func TestAHostThatComesBack(t *testing.T) {
	table := NewTable(Config{Audited: true})
	for i, host := range []string{"a", "a", "b"} {
		table.Apply(&event.Record{Conn: of(host, uint64(i)+1), Type: event.ApplicationData, Len: 10, Mono: 1})
	}
	table.Apply(&event.Host{State: event.HostAway, Name: "a", Mono: 2})
	if s := table.Snapshot(3); len(s.Rows) != 3 {
		t.Errorf("%d rows while it is away", len(s.Rows))
	}
	table.Apply(&event.Host{State: event.HostHere, Name: "a", Away: 5, Mono: 4})
	table.Apply(&event.Socket{State: event.SocketFound, Conn: of("a", 1), Mono: 5})
	s := table.Snapshot(6)
	if len(s.Rows) != 2 || s.Rows[1].Conn.ID != 1 || s.Rows[1].Totals != (event.Totals{}) {
		t.Errorf("%d rows when it is back", len(s.Rows))
	}
	if s.Totals.Records[event.TX] != 3 || len(s.Moments) != 2 || s.LostTotal != 0 {
		t.Errorf("%+v, %d moments, %d lost", s.Totals, len(s.Moments), s.LostTotal)
	}
}

// TestHostsAreBounded: a recording may name as many as it likes.
func TestHostsAreBounded(t *testing.T) {
	table := NewTable(Config{Audited: true})
	for i := range maxHosts + 100 {
		table.Apply(&event.Lost{Cause: "ring_full", Count: 1, Host: strconv.Itoa(i), Mono: 1})
	}
	if s := table.Snapshot(2); len(table.lost) > maxHosts+1 || s.LostTotal != maxHosts+100 {
		t.Errorf("%d hosts, %d lost", len(table.lost), s.LostTotal)
	}
}
