package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

const second = uint64(time.Second)

func data(id uint64, d event.Dir, seq uint64, n uint32, at uint64, lat ...uint64) *event.Record {
	r := &event.Record{
		Conn: event.Conn{ID: id}, Dir: d, Seq: seq, Len: n, Mono: at, Type: event.ApplicationData,
		Proc: event.Process{PID: uint32(id) * 10, Comm: event.MakeComm("nginx")},
		TLS:  event.TLS{Version: 0x0304, Cipher: 52, Mode: event.ModeSW},
	}
	for i, v := range lat {
		r.Lat.Stage[i] = v
		r.Lat.Total += v
	}
	return r
}

func TestTableAddsUp(t *testing.T) {
	tab := NewTable(Config{})
	tab.Snapshot(10 * second)
	tab.Apply(data(1, event.TX, 0, 1000, 10*second+1, 100, 200, 300))
	tab.Apply(data(1, event.TX, 1, 3000, 10*second+2, 100, 400, 300))
	tab.Apply(data(1, event.RX, 0, 50, 10*second+3))
	tab.Apply(data(2, event.RX, 0, 70, 10*second+4, 1, 2, 3))
	s := tab.Snapshot(12 * second)

	if len(s.Rows) != 2 || s.Open != 2 || s.SW != 2 || s.HW != 0 {
		t.Fatalf("%d rows, %d open, %d sw, %d hw", len(s.Rows), s.Open, s.SW, s.HW)
	}
	r := s.Rows[0]
	if want := (event.Totals{Records: [2]uint64{2, 1}, Bytes: [2]uint64{4000, 50}}); r.Totals != want {
		t.Errorf("totals %+v, want %+v", r.Totals, want)
	}
	if want := [2]Rate{{1, 2000}, {0.5, 25}}; r.Rate != want {
		t.Errorf("rates %v, want %v", r.Rate, want)
	}
	if want := [2]Rate{{1, 2000}, {1, 60}}; s.Rate != want {
		t.Errorf("overall rates %v, want %v", s.Rate, want)
	}
	if l := r.Lat[event.TX]; l.Count != 2 || l.Max != 800 || l.Mean != 700 || l.Stage != [3]uint64{100, 300, 300} {
		t.Errorf("latency %+v", l)
	}
	if l := r.Lat[event.RX]; l.Count != 0 {
		t.Errorf("a record without latency was counted: %+v", l)
	}
	if r.Proc.PID != 10 || r.TLS[event.TX].Cipher != 52 || r.KeyRecords != [2]uint64{2, 1} {
		t.Errorf("row %+v", r)
	}
	if s.Elapsed != 2*time.Second || r.Busier() != event.TX || s.Rows[1].Busier() != event.RX {
		t.Error("elapsed or direction")
	}
}

// What never left is shown, and counted nowhere.
func TestUnsentIsInNoTotal(t *testing.T) {
	c := NewCollector(Config{})
	dead := data(1, event.TX, 1, 1000, second+2)
	dead.Unsent, dead.Skipped = true, 3
	for _, ev := range []event.Event{
		&event.Socket{State: event.SocketOpen, Conn: event.Conn{ID: 1}, Dir: event.TX, TX: event.TLS{Mode: event.ModeSW}},
		data(1, event.TX, 0, 1000, second+1), dead,
		&event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 1}, NextTX: 2, TX: event.TLS{Mode: event.ModeSW}},
	} {
		c.Observe(ev)
	}
	s := c.Snapshot(2 * second)
	want := event.Totals{Records: [2]uint64{1, 0}, Bytes: [2]uint64{1000, 0}}
	if s.Rows[0].Totals != want || s.Totals != want || len(s.Lost) != 0 || len(s.Recent) != 2 {
		t.Errorf("totals %+v and %+v, %d causes of loss, %d records shown", s.Rows[0].Totals, s.Totals, len(s.Lost), len(s.Recent))
	}
}

// TestDroppedIsNoRecord: what is dropped counts for its connection and in all, and is in no
// total of what was received.
func TestDroppedIsNoRecord(t *testing.T) {
	tab := NewTable(Config{})
	r := data(1, event.RX, 5, 1000, second)
	r.TLS.Version = event.DTLS12
	tab.Apply(r)
	for _, n := range []uint64{1, 3} {
		tab.Apply(&event.Drop{Conn: r.Conn, TLS: r.TLS, Proc: r.Proc, Mono: second + n, Seq: 5, Len: 1000, Reason: event.DropReplay, Count: n})
	}
	tab.Apply(data(2, event.RX, 0, 10, second))
	s := tab.Snapshot(2 * second)
	if s.Counts.Dropped != 4 || s.Rows[0].Dropped != 4 || s.Rows[1].Dropped != 0 || s.Totals.Records[event.RX] != 2 {
		t.Errorf("dropped %d, of the first %d, of the other %d; received %d", s.Counts.Dropped, s.Rows[0].Dropped, s.Rows[1].Dropped, s.Totals.Records[event.RX])
	}
	if j, err := json.Marshal(s); err != nil || strings.Count(string(j), `"dropped":4`) != 2 || strings.Contains(string(j), `"dropped":0`) {
		t.Errorf("%v, %s", err, j)
	}
}

func TestSnapshotIsImmutable(t *testing.T) {
	tab := NewTable(Config{})
	tab.Select(1)
	r := data(1, event.TX, 0, 10, second, 5)
	r.Payload = []byte("secret")
	tab.Apply(r)
	s := tab.Snapshot(second)
	copy(r.Payload, "XXXXXX")
	for i := range uint64(1000) {
		tab.Apply(data(1, event.TX, i+1, 10, second+i, 5))
	}
	tab.Apply(&event.Lost{Cause: "ring", Count: 3})
	tab.Snapshot(3 * second)
	if s.Rows[0].Totals.Records[0] != 1 || len(s.Recent) != 1 || s.LostTotal != 0 || s.Lost["ring"] != 0 {
		t.Error("the old snapshot changed")
	}
	if h := s.Detail.Lat[0].Total; h.Count() != 1 || h.Buckets()[0].N != 1 {
		t.Error("the old histogram changed")
	}
	if got := string(s.Detail.Records[0].Payload); got != "secret" {
		t.Errorf("the payload is %q", got)
	}
}

func TestRowsAreSharedWhileIdle(t *testing.T) {
	tab := NewTable(Config{})
	tab.Apply(data(1, event.TX, 0, 10, second))
	tab.Snapshot(1 * second)
	busy := tab.Snapshot(2 * second).Rows[0]
	idle := tab.Snapshot(3 * second).Rows[0]
	still := tab.Snapshot(4 * second).Rows[0]
	if busy == idle || idle != still {
		t.Error("a row must change when its rate falls to 0 and be shared from then on")
	}
	if busy.Rate[0].Records != 1 || idle.Rate[0].Records != 0 {
		t.Errorf("rates %v then %v", busy.Rate, idle.Rate)
	}
}

func TestClosedConnectionsLingerAndGo(t *testing.T) {
	tab := NewTable(Config{Linger: 5 * time.Second})
	tab.Apply(data(1, event.TX, 0, 10, second))
	tab.Apply(&event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 1}, Mono: 2 * second})
	s := tab.Snapshot(3 * second)
	if len(s.Rows) != 1 || s.Open != 0 || s.Rows[0].Closed != 2*second || s.Rows[0].Age(9*second) != time.Second {
		t.Fatalf("closed row: %+v", s.Rows)
	}
	if s = tab.Snapshot(8 * second); len(s.Rows) != 0 || s.Totals.Bytes[0] != 10 || s.Counts.Closed != 1 {
		t.Errorf("%d rows and %d bytes after the linger time", len(s.Rows), s.Totals.Bytes[0])
	}
}

func TestTableIsBounded(t *testing.T) {
	tab := NewTable(Config{MaxConns: 4})
	for id := range uint64(4) {
		tab.Apply(data(id+1, event.TX, 0, 1, second))
	}
	tab.Apply(data(5, event.TX, 0, 1, second))
	tab.Apply(&event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 2}, Mono: second})
	tab.Apply(data(6, event.TX, 0, 1, second))
	s := tab.Snapshot(second)
	if s.Counts.Untracked != 1 || s.Counts.Evicted != 1 || s.Totals.Records[0] != 6 {
		t.Errorf("counts %+v, totals %+v", s.Counts, s.Totals)
	}
	var ids []uint64
	for _, r := range s.Rows {
		ids = append(ids, r.Conn.ID)
	}
	if len(ids) != 4 || ids[0] != 1 || ids[1] != 3 || ids[3] != 6 {
		t.Errorf("rows %v, want 1 3 4 6", ids)
	}
}

// Where connections end without a word, those that were idle for long make room,
// but none that was at work a moment ago.
func TestTableAgesOut(t *testing.T) {
	const minute = 60 * second
	tab := NewTable(Config{MaxConns: 3})
	for id := range uint64(3) {
		tab.Apply(data(id+1, event.TX, 0, 1, (id+1)*second))
	}
	tab.Apply(data(1, event.TX, 1, 1, 30*second))
	tab.Apply(data(4, event.TX, 0, 1, minute))          // 2 was at work 58 seconds ago
	tab.Apply(data(5, event.TX, 0, 1, minute+2*second)) // instead of 2
	tab.Apply(data(6, event.TX, 0, 1, minute+3*second)) // instead of 3
	s := tab.Snapshot(minute + 3*second)
	var ids []uint64
	for _, r := range s.Rows {
		ids = append(ids, r.Conn.ID)
	}
	if !slices.Equal(ids, []uint64{1, 5, 6}) || s.Counts.Evicted != 2 || s.Counts.Untracked != 1 || s.Totals.Records[0] != 7 {
		t.Errorf("rows %v, counts %+v, totals %+v", ids, s.Counts, s.Totals)
	}
}

func TestTableForgetsEvictedWithoutSnapshots(t *testing.T) {
	tab := NewTable(Config{MaxConns: 8})
	for id := range uint64(10_000) {
		tab.Apply(data(id+1, event.TX, 0, 1, second))
		tab.Apply(&event.Socket{State: event.SocketClose, Conn: event.Conn{ID: id + 1}, Mono: second})
	}
	if len(tab.order) > 200 || len(tab.conns) > 8 || len(tab.closed) > 200 {
		t.Errorf("order %d, conns %d, closed %d", len(tab.order), len(tab.conns), len(tab.closed))
	}
}

func TestMoments(t *testing.T) {
	tab := NewTable(Config{Recent: 3})
	control := &event.Control{AlertLevel: 1}
	alert := data(1, event.TX, 0, 2, second)
	alert.Type, alert.Control = event.Alert, control
	tab.Apply(alert)
	control.AlertLevel = 9
	tab.Apply(data(1, event.TX, 1, 2, second))
	tab.Apply(&event.Error{Conn: event.Conn{ID: 1}, Errno: 74})
	tab.Apply(&event.Socket{State: event.SocketRekey, Conn: event.Conn{ID: 1}})
	s := tab.Snapshot(second)
	if len(s.Moments) != 3 {
		t.Fatalf("%d moments, want 3", len(s.Moments))
	}
	if r, ok := s.Moments[0].(*event.Record); !ok || r.Control.AlertLevel != 1 {
		t.Errorf("first moment %+v", s.Moments[0])
	}
	tab.Apply(&event.Lost{Cause: "gap", Count: 2, Conn: &event.Conn{ID: 1}})
	s = tab.Snapshot(2 * second)
	if _, ok := s.Moments[2].(*event.Lost); !ok || len(s.Moments) != 3 {
		t.Errorf("last moment %+v", s.Moments[2])
	}
	if s.Rows[0].Lost != 2 || s.Rows[0].Errors != 1 || s.Rows[0].Control != 1 {
		t.Errorf("row %+v", s.Rows[0])
	}
}

func TestGroups(t *testing.T) {
	tab := NewTable(Config{})
	for id := range uint64(6) {
		r := data(id+1, event.TX, 0, 100, second, 10)
		r.Proc.PID, r.Proc.CgroupID = uint32(id%3)+1, id%2
		tab.Apply(r)
	}
	s := tab.Snapshot(second)
	if len(s.Processes) != 3 || len(s.Cgroups) != 2 {
		t.Fatalf("%d processes, %d cgroups", len(s.Processes), len(s.Cgroups))
	}
	if g := s.Processes[0]; g.Conns != 2 || g.Totals.Bytes[0] != 200 || g.Lat[0].Count != 2 {
		t.Errorf("group %+v", g)
	}
}

// TestKernelUser: once the kernel has taken a connection over it is that one's, whoever made
// the handshake or is at work, and its connections are one group.
func TestKernelUser(t *testing.T) {
	tab := NewTable(Config{})
	at := func(id uint64, pid uint32, user string) {
		r := data(id, event.TX, 0, 100, second, 10)
		r.Proc, r.Conn.KernelUser = event.Process{PID: pid, Comm: event.MakeComm("tlshd")}, user
		tab.Apply(r)
	}
	at(1, 5, "")
	if s := tab.Snapshot(second); s.Processes[0].Proc.PID != 5 {
		t.Errorf("before it is taken over: %+v", s.Processes[0].Proc)
	}
	at(1, 6, "nvme_tcp")
	at(1, 7, "nvme_tcp")
	at(2, 8, "nvme_tcp")
	at(3, 9, "nvmet_tcp")
	s := tab.Snapshot(second)
	var users []string
	for _, g := range s.Processes {
		users = append(users, fmt.Sprint(g.Proc.Name(), g.Conns))
	}
	if want := []string{"kernel:nvme_tcp2", "kernel:nvmet_tcp1"}; !slices.Equal(users, want) {
		t.Errorf("groups %v, want %v", users, want)
	}
	for _, r := range s.Rows {
		if r.Conn.KernelUser == "" || r.Proc.Name() != "kernel:"+r.Conn.KernelUser {
			t.Errorf("%+v is %q's", r.Conn, r.Proc.Name())
		}
	}
}

// TestKernelUserOfSample: a sample that brings nothing else brings the user.
func TestKernelUserOfSample(t *testing.T) {
	tab := NewTable(Config{Sampled: true})
	s := &event.Sample{Conn: event.Conn{ID: 1}, Mono: second, Proc: event.Process{PID: 5}, Totals: event.Totals{Records: [2]uint64{1, 0}}}
	tab.ApplySample(s)
	s.Conn.KernelUser = "nfs"
	tab.ApplySample(s)
	if r := tab.Snapshot(second).Rows[0]; r.Proc.KernelUser() != "nfs" || r.Conn.KernelUser != "nfs" {
		t.Errorf("%+v", r.Info)
	}
}

func TestSampleReplaces(t *testing.T) {
	tab := NewTable(Config{Sampled: true})
	s := &event.Sample{
		Conn: event.Conn{ID: 1}, Mono: second,
		Totals: event.Totals{Records: [2]uint64{5, 0}, Bytes: [2]uint64{500, 0}},
	}
	total := &s.Lat[0][3]
	total.N[10], total.Sum, total.Max = 5, 5000, 1500
	tab.ApplySample(s)
	tab.ApplySample(s)
	s.Totals.Records[0], total.N[10], total.Sum = 6, 6, 6000
	tab.ApplySample(s)
	tab.Apply(data(1, event.TX, 0, 77, second, 5)) // only to look at
	snap := tab.Snapshot(second)
	if snap.Totals.Records[0] != 6 || snap.Totals.Bytes[0] != 500 {
		t.Errorf("totals %+v", snap.Totals)
	}
	if l := snap.Rows[0].Lat[0]; l.Count != 6 || l.Max != 1500 || l.P50 < 1024 || l.P50 > 1500 || !l.Coarse || l.Mean != 1000 {
		t.Errorf("latency %+v", l)
	}
	tab.Apply(&event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 1}, Mono: second})
	s.Totals, s.Final = event.Totals{Records: [2]uint64{8, 0}, Bytes: [2]uint64{800, 0}}, true
	tab.ApplySample(s)
	snap = tab.Snapshot(2 * second)
	if snap.Totals.Records[0] != 8 || snap.Totals.Bytes[0] != 800 || snap.Counts.Closed != 1 || snap.Rows[0].Closed != second {
		t.Errorf("after the close: totals %+v, row %+v", snap.Totals, snap.Rows[0].Activity)
	}
}

// Where the event of the close is lost, the last Sample says it.
func TestFinalSampleCloses(t *testing.T) {
	tab := NewTable(Config{Sampled: true, Linger: time.Second})
	s := &event.Sample{Conn: event.Conn{ID: 1}, Mono: second, Final: true}
	tab.ApplySample(s)
	snap := tab.Snapshot(second)
	if snap.Counts.Closed != 1 || snap.Open != 0 || len(snap.Rows) != 1 || len(tab.Snapshot(9*second).Rows) != 0 {
		t.Errorf("%+v, %d open, %d rows", snap.Counts, snap.Open, len(snap.Rows))
	}
}

// A key that was announced and has no record yet stays the current one.
func TestSampleBehindARekey(t *testing.T) {
	tab := NewTable(Config{Sampled: true})
	tab.Apply(&event.Socket{State: event.SocketRekey, Conn: event.Conn{ID: 1}, Mono: second, GenTX: 1})
	tab.ApplySample(&event.Sample{Conn: event.Conn{ID: 1}, Mono: second,
		Totals: event.Totals{Records: [2]uint64{7, 0}}, Next: [2]uint64{7, 0}})
	if r := tab.Snapshot(second).Rows[0]; r.Gen[0] != 1 || r.KeyRecords[0] != 0 || r.Totals.Records[0] != 7 {
		t.Errorf("%+v", r.Activity)
	}
}

func TestDetailOutlivesTheConnection(t *testing.T) {
	tab := NewTable(Config{Linger: time.Second})
	tab.Select(1)
	tab.Apply(data(1, event.TX, 0, 77, second, 5))
	tab.Apply(&event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 1}, Mono: second})
	tab.Snapshot(second)
	s := tab.Snapshot(9 * second)
	if len(s.Rows) != 0 || s.Detail == nil || s.Detail.Row.Conn.ID != 1 || s.Detail.Size[0].Max() != 77 {
		t.Errorf("detail %+v", s.Detail)
	}
	tab.Select(0)
	if tab.Snapshot(10*second).Detail != nil {
		t.Error("a detail of nothing")
	}
}

func TestCollectorCountsGaps(t *testing.T) {
	c := NewCollector(Config{})
	c.Observe(data(1, event.TX, 0, 1, second))
	c.Observe(data(1, event.TX, 3, 1, second))
	c.Observe(data(1, event.TX, 3, 1, second))
	c.Observe(&event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 1}, Mono: second, NextTX: 6})
	s := c.Snapshot(second)
	if s.Lost["gap"] != 4 || s.LostTotal != 4 || s.Duplicates != 1 || s.Rows[0].Lost != 4 {
		t.Errorf("lost %v, duplicates %d, row %d", s.Lost, s.Duplicates, s.Rows[0].Lost)
	}
}

func TestCollectorIgnoresGapsOfSamples(t *testing.T) {
	c := NewCollector(Config{Sampled: true})
	c.Observe(&event.Socket{State: event.SocketOpen, Conn: event.Conn{ID: 1}})
	c.Observe(data(1, event.TX, 9, 1, second))
	c.Observe(&event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 1}, NextTX: 60})
	if s := c.Snapshot(second); s.LostTotal != 0 {
		t.Errorf("lost %v", s.Lost)
	}
}

func TestCollectorIsConcurrent(t *testing.T) {
	c := NewCollector(Config{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range uint64(5000) {
			c.Observe(data(i%50+1, event.TX, i/50, 1, second))
		}
	}()
	for i := range uint64(20) {
		s := c.Snapshot(i * second)
		var sum uint64
		for _, r := range s.Rows {
			sum += r.Totals.Records[0]
		}
		if sum != s.Totals.Records[0] {
			t.Errorf("rows make %d records, the total says %d", sum, s.Totals.Records[0])
		}
	}
	<-done
}
