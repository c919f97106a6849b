package flow

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

func TestSnapshotJSON(t *testing.T) {
	tab := NewTable(Config{Offset: 1795370900 * int64(second)})
	tab.Select(1)
	tab.Snapshot(second)
	r := data(1, event.TX, 7, 1000, second, 100, 200, 300)
	r.Conn.RAddr, r.Conn.RPort = netip.MustParseAddr("192.0.2.9"), 51234
	r.Proc.Comm = event.MakeComm("\x1b\xff")
	r.Payload = []byte("hi")
	tab.Apply(r)
	alert := data(1, event.RX, 0, 2, second)
	alert.Type, alert.Control, alert.Proc = event.Alert, &event.Control{AlertLevel: 1}, r.Proc
	tab.Apply(alert)
	tab.Apply(&event.Error{Conn: r.Conn, Errno: 74, Mono: second})
	tab.Apply(&event.Lost{Cause: "gap", Count: 2, Conn: &r.Conn, First: 8, Last: 9})
	tab.Apply(&event.Socket{State: event.SocketClose, Conn: r.Conn, Mono: second})
	s := tab.Snapshot(2 * second)
	s.Run = &Run{Kernel: "6.12", Tier: event.TierSnap, Hooks: []Hook{{Name: "x"}}, Programs: []event.ProgramCost{{Name: "p"}}}
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want any
		path []any
	}{
		{"snapshot", []any{"type"}},
		{"2026-11-22T18:08:22Z", []any{"ts"}},
		{1.0, []any{"connections", 0, "tx", "records"}},
		{1000.0, []any{"tx", "bytes_per_s"}},
		{200.0, []any{"connections", 0, "tx", "lat_ns", "stage_mean", "encrypt"}},
		{0.125, []any{"connections", 0, "tx", "lat_ns", "quantile_error"}},
		{"192.0.2.9", []any{"connections", 0, "sock", "raddr"}},
		{"\x1b\uFFFD", []any{"connections", 0, "comm"}},
		{"close_notify", []any{"events", 0, "alert_description"}},
		{"EBADMSG", []any{"events", 1, "errno"}},
		{8.0, []any{"events", 2, "first"}},
		{"close", []any{"events", 3, "state"}},
		{"aGk=", []any{"detail", "records", 0, "payload"}},
		{1.0, []any{"detail", "histograms", "tx_encrypt_ns", 0, "n"}},
		{2.0, []any{"lost", "gap"}},
		{"snap", []any{"run", "tier"}},
	} {
		if v := dig(got, c.path); v != c.want {
			t.Errorf("%v is %v, want %v", c.path, v, c.want)
		}
	}
}

// dig follows names and indices into a decoded JSON value.
func dig(v any, path []any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

func TestEmptySnapshotJSON(t *testing.T) {
	for _, s := range []*Snapshot{{}, NewTable(Config{}).Snapshot(0)} {
		if _, err := json.Marshal(s); err != nil {
			t.Error(err)
		}
	}
}
