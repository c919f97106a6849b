package tui

import (
	"slices"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// fleet is a snapshot of three hosts: one is away, one has a name that would like to act
// on the terminal, and one has no connection.
func fleet() *flow.Snapshot {
	tr := newTraffic(12)
	tr.hosts = []string{"web1", "web2\x1b[2J.example.net"}
	tr.snapshot()
	for range 5 {
		tr.second()
		tr.snapshot()
	}
	tr.odd()
	tr.table.Apply(&event.Lost{Cause: "ring_full", Count: 7, Mono: tr.now, Host: "web1"})
	tr.table.Apply(&event.Host{State: event.HostAway, Name: tr.hosts[1], Reason: "connection refused", Mono: tr.now})
	tr.now += 12 * sec
	s := tr.snapshot()
	s.Run = &flow.Run{Version: "0.9", Source: "web1, web2, web3", Hosts: []flow.RunHost{
		{Name: "web1", Address: "web1:9998", Kernel: "6.12", Version: "0.9"},
		{Name: tr.hosts[1], Address: "192.0.2.2:9998", Kernel: "6.1", Version: "0.9", Away: true, Reason: "connection refused", Since: tr.now - 12*sec},
		{Name: "web3", Address: "web3:9998", Kernel: "7.3", Version: "0.9"},
	}}
	return s
}

func TestGoldenFleet(t *testing.T) {
	s := fleet()
	for _, c := range []struct {
		name string
		keys []string
	}{
		{"fleet", nil}, {"fleet-processes", []string{"2"}}, {"fleet-hosts", []string{"2", "c", "c", "c", "c"}},
		{"fleet-records", []string{"3"}}, {"fleet-events", []string{"4"}}, {"fleet-run", []string{"5"}},
	} {
		for _, size := range []struct{ w, h int }{{80, 24}, {120, 40}} {
			m := send(screen(Config{Hosts: true}, s, size.w, size.h), press(c.keys...)...)
			checkFrame(t, m)
			golden(t, c.name+"-"+sizeName(m), m.View())
		}
	}
}

// TestHostsAreNeverMissing, however narrow it is: who is away comes before all else.
func TestHostsAreNeverMissing(t *testing.T) {
	for width := 24; width < 130; width++ {
		m := screen(Config{Hosts: true}, fleet(), width, 20)
		checkFrame(t, m)
		if !strings.Contains(strings.SplitN(m.View(), "\n", 2)[0], "AWAY web2") {
			t.Errorf("%d columns: nothing of who is away in\n%s", width, m.View())
		}
	}
}

// TestEnterAHost shows its connections alone, also of hosts whose names begin alike.
func TestEnterAHost(t *testing.T) {
	tr := newTraffic(12)
	tr.hosts = []string{"web1", "web10"}
	tr.second()
	s := tr.snapshot()
	m := send(screen(Config{Hosts: true}, s, 120, 40), press("2", "c", "c", "c", "c")...)
	if len(m.groups.rows) != 2 || !m.groups.rows[0].Whole {
		t.Fatalf("%d rows by host", len(m.groups.rows))
	}
	m = send(m, press("home", "enter")...)
	host := m.groups.rows[0].Host
	if len(m.conns.rows) != 6 || slices.ContainsFunc(m.conns.rows, func(r *flow.Row) bool { return r.Conn.Host != host }) {
		t.Errorf("%d rows for %s, by the filter %s", len(m.conns.rows), host, m.input)
	}
}

// TestNoHostsNoColumn: one host alone is not named in every line.
func TestNoHostsNoColumn(t *testing.T) {
	m := screen(Config{}, fleet(), 120, 40)
	if strings.Contains(m.View(), "HOST") {
		t.Error(m.View())
	}
}
