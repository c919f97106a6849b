package metrics

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestSums: a group has the sums of all its connections, closed ones included.
func TestSums(t *testing.T) {
	f := newFixture(t, Config{}, true)
	f.round(sample(1, "nginx", 10), sample(2, "nginx", 5), sample(3, "curl", 1))
	f.expect(15, "records_total", "comm", "nginx", "direction", "tx", "type", "data")
	f.expect(1500, "record_bytes_total", "comm", "nginx", "direction", "tx")
	f.expect(10, "key_records_max", "comm", "nginx", "direction", "tx")
	f.expect(2, "connections", "comm", "nginx", "direction", "tx", "mode", "sw")
	f.round(final(sample(1, "nginx", 12)), sample(2, "nginx", 5), sample(3, "curl", 1))
	f.expect(17, "records_total", "comm", "nginx", "direction", "tx", "type", "data")
	f.expect(1, "connections_closed_total", "comm", "nginx")
	f.round(sample(2, "nginx", 6), sample(3, "curl", 1))
	f.expect(18, "records_total", "comm", "nginx", "direction", "tx", "type", "data")
	f.expect(1, "connections", "comm", "nginx", "direction", "tx", "mode", "sw")
	f.expect(6, "key_records_max", "comm", "nginx", "direction", "tx")
	f.expect(1, "records_total", "comm", "curl", "direction", "tx", "type", "data")
	f.expect(float64(f.at.Unix()), "last_read_timestamp_seconds")
}

// TestNoStepBack: counters do not fall if a part of them was read too early.
func TestNoStepBack(t *testing.T) {
	f := newFixture(t, Config{}, true)
	f.round(sample(1, "nginx", 10))
	f.round(sample(1, "nginx", 9))
	f.expect(10, "records_total", "comm", "nginx", "direction", "tx", "type", "data")
	f.round() // a connection that is not read at all
	f.expect(1000, "record_bytes_total", "comm", "nginx", "direction", "tx")
	f.round(sample(1, "nginx", 12))
	f.expect(12, "records_total", "comm", "nginx", "direction", "tx", "type", "data")
}

// TestHistogram: each bound is the end of one of the kernel's buckets, and no bucket is
// split.
func TestHistogram(t *testing.T) {
	f := newFixture(t, Config{}, true)
	s := sample(1, "nginx", 4)
	s.Lat[event.TX][total] = event.Log2Hist{Sum: 1e9, Max: 9e8}
	for _, k := range []int{3, 10, 32, 35} {
		s.Lat[event.TX][total].N[k] = 1
	}
	f.round(s)
	h := f.series("record_duration_seconds", "comm", "nginx", "direction", "tx").GetHistogram()
	if h.GetSampleCount() != 4 || h.GetSampleSum() != 1 || len(h.Bucket) != 23 {
		t.Fatalf("%d values, sum %v, %d buckets", h.GetSampleCount(), h.GetSampleSum(), len(h.Bucket))
	}
	for i, b := range h.Bucket {
		want, n := float64(uint64(2048)<<i)/1e9, uint64(2)
		if i == 22 {
			n = 3
		}
		if b.GetUpperBound() != want || b.GetCumulativeCount() != n {
			t.Errorf("bucket %d: %d below %v, want %d below %v", i, b.GetCumulativeCount(), b.GetUpperBound(), n, want)
		}
	}
	if got := h.GetCreatedTimestamp().AsTime(); got.Unix() != f.at.Unix() {
		t.Errorf("created at %v", got)
	}
}

// TestWideConnection: a connection with more records than the kernel's buckets can count.
func TestWideConnection(t *testing.T) {
	f := newFixture(t, Config{}, true)
	for _, records := range []uint64{1 << 30, 3 << 30, 5 << 30, 6 << 30} {
		f.round(sample(1, "proxy", records), sample(2, "proxy", 1))
		if got := f.series("record_duration_seconds", "direction", "tx").GetHistogram().GetSampleCount(); got != records+1 {
			t.Errorf("%d of %d", got, records+1)
		}
	}
	f.round(final(sample(1, "proxy", 7<<30)), sample(2, "proxy", 1))
	f.round(sample(2, "proxy", 1))
	if got := f.series("record_duration_seconds", "direction", "tx").GetHistogram().GetSampleCount(); got != 7<<30+1 || len(f.wide) != 0 {
		t.Errorf("%d, and %d are followed", got, len(f.wide))
	}
}

// TestControlRecords are reported as events, and are in the sums too, at once or a round
// later.
func TestControlRecords(t *testing.T) {
	f := newFixture(t, Config{}, true)
	f.round(sample(1, "nginx", 10))
	alert := &event.Record{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Type: event.Alert, Lat: event.Latency{Total: 1},
		Control: &event.Control{AlertLevel: 2, AlertDescription: 20}}
	f.write(alert)
	f.round(sample(1, "nginx", 10))
	f.expect(10, "records_total", "comm", "nginx", "direction", "tx", "type", "data")
	f.round(sample(1, "nginx", 12))
	f.expect(11, "records_total", "comm", "nginx", "direction", "tx", "type", "data")
	f.expect(1, "records_total", "comm", "nginx", "direction", "tx", "type", "alert")
	f.expect(1, "alerts_total", "direction", "tx", "level", "fatal", "description", "bad_record_mac")
	alert.Control = &event.Control{AlertLevel: 77, AlertDescription: 250}
	f.write(alert)
	f.expect(1, "alerts_total", "direction", "tx", "level", "other", "description", "other")
	alert.Control = nil
	f.write(alert)
	f.expect(1, "alerts_total", "direction", "tx", "level", "unknown", "description", "unknown")
	for _, typ := range []event.ContentType{event.Handshake, event.ChangeCipherSpec, 99} {
		f.write(&event.Record{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Dir: event.RX, Type: typ})
	}
	for _, typ := range []string{"handshake", "ccs", "other"} {
		f.expect(1, "records_total", "comm", "nginx", "direction", "rx", "type", typ)
	}
	f.write(&event.Record{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Dir: event.TX, Type: event.Handshake, Unsent: true})
	f.absent("records_total", "direction", "tx", "type", "handshake")
}

// TestRecordsAsEvents: where the kernel has no sums, and for DTLS, records are counted from
// events.
func TestRecordsAsEvents(t *testing.T) {
	for _, c := range []struct {
		sums    bool
		version event.Version
		counts  float64
	}{{true, 0x0304, 0}, {true, event.DTLS12, 3}, {false, 0x0304, 3}} {
		f := newFixture(t, Config{Stages: true}, c.sums)
		f.write(opens(1, "vpn"))
		for seq := range uint64(3) {
			f.write(&event.Record{Conn: event.Conn{ID: 1}, Proc: proc("vpn"), Dir: event.RX, Seq: seq, Len: 10, Type: event.ApplicationData,
				TLS: event.TLS{Version: c.version, Mode: event.ModeSW}, Lat: event.Latency{Stage: [3]uint64{1, 0, 2}, Total: 5000}})
		}
		f.round()
		f.expect(c.counts, "records_total", "direction", "rx", "type", "data")
		f.expect(10*c.counts, "record_bytes_total", "direction", "rx")
		f.expect(c.counts, "record_stage_measured_total", "direction", "rx", "stage", "deliver")
		f.expect(0, "record_stage_measured_total", "direction", "rx", "stage", "decrypt")
		f.expect(c.counts, "key_records_max", "direction", "rx")
		f.round()
		f.expect(c.counts, "key_records_max", "direction", "rx")
	}
}

// TestLife: a connection is opened once and closed once, in whatever order the tracer
// reports it, and counts for the process that opened it.
func TestLife(t *testing.T) {
	f := newFixture(t, Config{}, true)
	rx := opens(1, "nginx")
	rx.Dir, rx.RX = event.RX, rx.TX
	f.write(opens(1, "nginx"), rx, &event.Socket{State: event.SocketFound, Conn: event.Conn{ID: 2}, Proc: proc("nginx"), RX: rx.RX})
	f.expect(1, "connections_opened_total", "comm", "nginx", "version", "1.3", "cipher", "AES-GCM-256")
	f.expect(1, "connections", "direction", "tx", "mode", "sw")
	f.expect(1, "connections", "direction", "tx", "mode", "none")
	f.expect(2, "connections", "direction", "rx", "mode", "sw")
	f.write(&event.Socket{State: event.SocketRekey, Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Dir: event.RX, TX: rx.TX, RX: rx.RX})
	f.expect(1, "key_updates_total", "direction", "rx")
	f.expect(0, "key_updates_total", "direction", "tx")
	f.write(closes(1, "other owner"), closes(1, "nginx")) // the sums' last sample follows it
	f.round(final(sample(1, "nginx", 3)))
	f.round(final(sample(2, "nginx", 4))) // or precedes it
	f.write(closes(2, "nginx"))
	f.expect(2, "connections_closed_total", "comm", "nginx")
	f.expect(7, "records_total", "direction", "tx", "type", "data")
	for _, mode := range modeNames {
		f.expect(0, "connections", "direction", "rx", "mode", mode)
	}
	f.round(final(sample(3, "nginx", 1))) // one that opened and closed between two rounds
	f.expect(3, "connections_closed_total", "comm", "nginx")
	nobody := closes(4, "")
	nobody.Proc = event.Process{} // no call ended it, and it was not known before
	f.write(nobody, nobody)
	f.absent("connections_closed_total", "comm", "")
	f.round(final(sample(4, "nginx", 1)))
	f.expect(4, "connections_closed_total", "comm", "nginx")
	f.expect(0, "connections", "comm", "nginx", "direction", "tx", "mode", "sw")
	f.expect(9, "records_total", "comm", "nginx", "direction", "tx", "type", "data")
	for range lingerRounds + 1 {
		f.round()
	}
	if n := f.conns.byID.Len(); n != 0 {
		t.Errorf("%d connections are remembered", n)
	}
	f.absent("connections_closed_total", "comm", "")
}

// TestLosses: records that a counter of the kernel explains count once, though a Ledger
// misses them too.
func TestLosses(t *testing.T) {
	f := newFixture(t, Config{}, false)
	f.expect(0, "lost_total", "cause", "gap")
	f.write(&event.Lost{Cause: "gap", Count: 5, Conn: &event.Conn{ID: 1}},
		&event.Lost{Cause: "ring_full", Count: 5, HasDir: true}, &event.Lost{Cause: "gap", Count: 3, Conn: &event.Conn{ID: 2}})
	f.expect(5, "lost_total", "cause", "ring_full")
	f.round()
	f.expect(0, "lost_total", "cause", "gap")
	f.round()
	f.expect(3, "lost_total", "cause", "gap")
	f.write(&event.Lost{Cause: "ring_full", Count: 9, HasDir: true}) // late: it is not subtracted
	f.round()
	f.round()
	f.expect(3, "lost_total", "cause", "gap")
}

// TestEndWithoutOwner: the end of a connection whose owner is never known counts without owner,
// once, when its last sample can no longer come.
func TestEndWithoutOwner(t *testing.T) {
	f := newFixture(t, Config{}, true)
	nobody := closes(1, "")
	nobody.Proc = event.Process{}
	f.write(nobody)
	for range lingerRounds {
		f.absent("connections_closed_total", "comm", "")
		f.round()
	}
	for range lingerRounds + 1 {
		f.expect(1, "connections_closed_total", "comm", "")
		f.round()
	}
	if n := f.conns.byID.Len() + len(f.conns.unassigned); n != 0 {
		t.Errorf("%d connections are remembered", n)
	}
}

// TestLateEvents: events of a forgotten connection count, and do not open it again.
func TestLateEvents(t *testing.T) {
	for _, sums := range []bool{true, false} {
		f := newFixture(t, Config{}, sums)
		f.write(opens(1, "nginx"), closes(1, "nginx"))
		for range lingerRounds + 1 {
			f.round()
		}
		f.write(&event.Error{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Errno: uint32(unix.EBADMSG), Func: "x"},
			&event.Record{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Type: event.Alert, TLS: opens(1, "").TX})
		f.round()
		f.expect(1, "errors_total", "comm", "nginx", "errno", "EBADMSG")
		f.expect(1, "records_total", "comm", "nginx", "type", "alert")
		for _, mode := range modeNames {
			f.expect(0, "connections", "direction", "tx", "mode", mode)
		}
		if n := f.conns.byID.Len(); n != 0 || f.groups["nginx"].conns != 0 {
			t.Errorf("%d connections are remembered, and %d are open", n, f.groups["nginx"].conns)
		}
	}
}

// TestSampleComesFirst: a connection that the kernel's sums report before its first event
// still counts as opened; one that existed before does not.
func TestSampleComesFirst(t *testing.T) {
	f := newFixture(t, Config{}, true)
	f.round(sample(1, "nginx", 1))
	f.write(opens(1, "nginx"))
	f.expect(1, "connections_opened_total", "comm", "nginx", "version", "1.3")
	f.expect(1, "connections", "direction", "tx", "mode", "sw")
	f.write(&event.Socket{State: event.SocketFound, Conn: event.Conn{ID: 2}, Proc: proc("nginx"), RX: opens(2, "").TX}, opens(2, "nginx"))
	f.expect(1, "connections_opened_total", "comm", "nginx", "version", "1.3")
}

// TestModes: if a card goes away, its connections become software.
func TestModes(t *testing.T) {
	f := newFixture(t, Config{}, true)
	s := opens(1, "nginx")
	s.TX.Mode = event.ModeHW
	f.write(s)
	f.expect(1, "connections", "direction", "tx", "mode", "hw")
	s.State, s.TX.Mode = event.SocketCard, event.ModeSW
	f.write(s)
	f.expect(0, "connections", "direction", "tx", "mode", "hw")
	f.expect(1, "connections", "direction", "tx", "mode", "sw")
	f.expect(1, "connections_opened_total", "version", "1.3")
}

// TestFailures: a refused socket option is not a failure of a record.
func TestFailures(t *testing.T) {
	f := newFixture(t, Config{}, true)
	f.write(
		&event.Error{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Dir: event.RX, Errno: uint32(unix.EBADMSG), Func: "tls_rx_one_record", More: 4},
		&event.Error{Proc: proc("nginx"), Option: event.OptionULP, Errno: uint32(unix.ENOENT), Func: "tcp_set_ulp"},
		&event.Error{Proc: proc("nginx"), Option: event.OptionRX, Errno: 4095, Func: "tls_setsockopt"},
		&event.Error{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Option: event.OptionRX, Errno: uint32(unix.EINVAL), Func: "tls_getsockopt"},
		&event.Error{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Option: event.OptionExpectNoPad, Dir: event.RX, Errno: uint32(unix.ENOPROTOOPT), Func: "tls_setsockopt"})
	f.expect(5, "errors_total", "comm", "nginx", "direction", "rx", "errno", "EBADMSG", "func", "tls_rx_one_record")
	f.expect(1, "errors_total", "errno", "EINVAL", "func", "tls_getsockopt")
	f.expect(1, "setup_failures_total", "comm", "nginx", "step", "ulp", "errno", "ENOENT")
	f.expect(1, "setup_failures_total", "comm", "nginx", "step", "rx", "errno", "other")
	f.expect(1, "setup_failures_total", "comm", "nginx", "step", "TLS_RX_EXPECT_NO_PAD", "errno", "ENOPROTOOPT")
}

// TestOwnerComesLater: the sums of a connection count once its owner is known.
func TestOwnerComesLater(t *testing.T) {
	f := newFixture(t, Config{}, true)
	unknown := sample(1, "", 5)
	unknown.Proc = event.Process{}
	f.round(unknown)
	f.expect(0, "groups")
	f.round(sample(1, "nginx", 8))
	f.expect(8, "records_total", "comm", "nginx", "direction", "tx", "type", "data")
	for range maxRounds { // or without owner, in the end
		unknown.Conn.ID = 2
		f.round(unknown, sample(1, "nginx", 8))
	}
	f.expect(5, "records_total", "comm", "", "direction", "tx", "type", "data")
}

// TestKernelTakesOver: the process that did the handshake for the kernel gets none of the
// sums; if the kernel's user stays unknown, it does.
func TestKernelTakesOver(t *testing.T) {
	f := newFixture(t, Config{}, true)
	f.write(opens(1, "tlshd"))
	s := sample(1, "tlshd", 5)
	f.round(s)
	f.expect(0, "records_total", "comm", "tlshd", "direction", "tx", "type", "data")
	s.Conn.KernelUser = "nvme_tcp"
	s.Proc = event.Process{PID: 9, Comm: event.MakeComm("dd")}
	f.round(s)
	f.expect(5, "records_total", "comm", "kernel:nvme_tcp", "direction", "tx", "type", "data")
	for range maxRounds {
		f.round(sample(2, "tlshd", 7))
	}
	f.expect(7, "records_total", "comm", "tlshd", "direction", "tx", "type", "data")
}

// TestPodComesLater: the kubelet may report a pod after its first records.
func TestPodComesLater(t *testing.T) {
	f := newFixture(t, Config{GroupBy: []string{"namespace", "pod"}}, true)
	s, open := sample(1, "nginx", 5), opens(1, "nginx")
	s.Proc.Place = &event.Place{PodUID: "1-2-3"}
	open.Proc.Place = s.Proc.Place
	f.write(open)
	f.round(s)
	s.Proc.Place = &event.Place{PodUID: "1-2-3", Namespace: "web", Pod: "nginx-0"}
	f.round(s)
	f.expect(5, "records_total", "namespace", "web", "pod", "nginx-0", "direction", "tx", "type", "data")
	f.expect(1, "connections", "namespace", "web", "pod", "nginx-0", "direction", "tx", "mode", "sw")
}

// TestMaxGroups: an unlimited number of names makes a limited number of series.
func TestMaxGroups(t *testing.T) {
	f := newFixture(t, Config{MaxGroups: 3}, true)
	var samples []event.Sample
	for i := range 10 {
		samples = append(samples, sample(uint64(i+1), fmt.Sprintf("worker-%d", i), 1))
	}
	f.round(samples...)
	f.expect(1, "records_total", "comm", "worker-2", "direction", "tx", "type", "data")
	f.expect(7, "records_total", "comm", "other", "direction", "tx", "type", "data")
	f.expect(7, "groups_overflowed_total")
	f.expect(4, "groups")
	f.round(append(samples, sample(99, "other", 5))...) // a program may have that name
	f.expect(12, "records_total", "comm", "other", "direction", "tx", "type", "data")
}

// TestHostileNames: whatever names processes and the kernel use, labels are short, valid
// text, without terminal controls.
func TestHostileNames(t *testing.T) {
	f := newFixture(t, Config{GroupBy: []string{"comm", "unit"}}, true)
	names := []string{"\x1b[31mred", "a\nb", "\xff\xfe", "\u202egnp", `"},evil{x="`, "\x00\x00", "é", strings.Repeat("x", 15), "🇩🇪🇩🇪", "kernel:nginx"}
	for i, name := range names {
		s := sample(uint64(i+1), name, 1)
		s.Proc.Place = &event.Place{Unit: strings.Repeat(name, 40) + ".service"}
		f.Sample(&s)
		f.write(&event.Error{Conn: s.Conn, Proc: s.Proc, Errno: uint32(i), Func: name})
		f.write(&event.Lost{Cause: name, Count: 1})
	}
	f.about.Missing = names
	f.round()
	families, err := f.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			for _, l := range m.Label {
				v := l.GetValue()
				if !utf8.ValidString(v) || len(v) > maxLabel || strings.ContainsAny(v, "\x1b\n\u202e\x00") {
					t.Errorf("%s{%s=%q}", family.GetName(), l.GetName(), v)
				}
			}
		}
	}
}

// TestManyKindsOfFailures: the number of a group's counters is limited.
func TestManyKindsOfFailures(t *testing.T) {
	f := newFixture(t, Config{}, true)
	for i := range 10 * maxCounts {
		f.write(&event.Error{Conn: event.Conn{ID: 1}, Proc: proc("x"), Errno: uint32(i % 130), Func: fmt.Sprint("f", i)})
	}
	g := f.groups["x"]
	if len(g.counts) > maxCounts+4 {
		t.Errorf("%d counters", len(g.counts))
	}
	var sum uint64
	for what, n := range g.counts {
		if what.of == failures {
			sum += n
		}
	}
	if sum != 10*maxCounts || g.counts[count{failures, "tx", other, other}] == 0 {
		t.Errorf("%d failures of %d", sum, 10*maxCounts)
	}
}

// TestLongest: the longest record is that of the last minute or two, not of the whole run.
func TestLongest(t *testing.T) {
	f := newFixture(t, Config{}, true)
	s := sample(1, "nginx", 1)
	longest := func(want float64) {
		t.Helper()
		f.round(s)
		if got := f.series("record_duration_max_seconds", "comm", "nginx", "direction", "tx").GetGauge().GetValue(); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v: the longest is %v, want %v", f.at, got, want)
		}
	}
	longest(5e-6)
	s.Lat[event.TX][total].N[30], s.Lat[event.TX][total].Max = 1, 1_500_000_000
	longest(1.5)
	f.at = f.at.Add(longestFor)
	s.Lat[event.TX][total].N[14]++ // 16 to 33 µs
	longest(1.5)
	f.at = f.at.Add(longestFor)
	longest(32768e-9)
	s.Lat[event.TX][total].N[14]++
	longest(32768e-9)
	f.at = f.at.Add(2 * longestFor)
	longest(0)
	s.Lat[event.TX][total].N[30]++ // no longer than an earlier one
	longest(1.5)
}

// TestExemplars: slow records are named as exemplars of the histogram, and never in a label.
func TestExemplars(t *testing.T) {
	f := newFixture(t, Config{Slow: time.Millisecond}, true)
	slow := &event.Record{Conn: event.Conn{ID: 1, Cookie: 77}, Proc: proc("nginx"), Seq: 5, Type: event.ApplicationData, Lat: event.Latency{Total: 3_000_000}}
	quick := *slow
	quick.Lat.Total = 999_999
	s := sample(1, "nginx", 2)
	s.Lat[event.TX][total].N[bucketOf(3_000_000)]++
	f.write(slow, &quick)
	f.round(s)
	var found []string
	for _, b := range f.series("record_duration_seconds", "direction", "tx").GetHistogram().Bucket {
		if e := b.GetExemplar(); e != nil {
			labels := []string{fmt.Sprint(e.GetValue())}
			for _, l := range e.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			slices.Sort(labels)
			found = append(found, strings.Join(labels, " "))
			if e.GetValue() > b.GetUpperBound() || e.GetValue() <= b.GetUpperBound()/2 {
				t.Errorf("%v in the bucket below %v", e.GetValue(), b.GetUpperBound())
			}
		}
	}
	if want := "0.003 cookie=77 pid=7 seq=5"; len(found) != 1 || found[0] != want {
		t.Errorf("exemplars %q, want %q", found, want)
	}
	f.expect(2, "records_total", "direction", "tx", "type", "data")
}

// TestCost: a window of the meter stands for the time since the last one, and no estimate
// falls.
func TestCost(t *testing.T) {
	f := newFixture(t, Config{}, true)
	f.round()
	f.at = f.at.Add(9 * time.Second)
	f.about = About{Over: time.Second, Programs: []event.ProgramCost{{Name: "open_exit", Runs: 100, Nanos: 1e6}}}
	f.round() // ten seconds after the first
	f.expect(1000, "program_runs_total", "program", "open_exit")
	f.expect(0.01, "program_seconds_total", "program", "open_exit")
	f.round()
	f.expect(1000, "program_runs_total", "program", "open_exit")
	f.about = About{Over: 1100 * time.Millisecond, Programs: []event.ProgramCost{{Name: "open_exit", Runs: 101, Nanos: 1e6}}}
	f.round()
	f.expect(1020, "program_runs_total", "program", "open_exit")
}

// TestLint: names, units and help texts follow Prometheus's rules.
func TestLint(t *testing.T) {
	linter := promlint.NewWithMetricFamilies(all(t))
	problems, err := linter.Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// everything has a series of each metric.
func everything(t testing.TB) *fixture {
	f := newFixture(t, Config{Stages: true, StageHistograms: true, Slow: 1}, true)
	f.about = About{Missing: []string{"tls_x: nothing is reported"}, Over: 1, Programs: []event.ProgramCost{{Name: "x", Runs: 1}}}
	f.write(opens(1, "nginx"),
		&event.Record{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Type: event.Alert, Control: &event.Control{}},
		&event.Error{Proc: proc("nginx"), Option: event.OptionULP, Func: "tcp_set_ulp"}, &event.Error{Proc: proc("nginx"), Func: "x"})
	f.round(sample(1, "nginx", 1))
	f.about.Over, f.about.Programs[0].Runs = 2, 2
	f.round(sample(1, "nginx", 1))
	return f
}

// TestGroupBy: only known names can be labels.
func TestGroupBy(t *testing.T) {
	for _, names := range [][]string{{}, {"pid"}, {"comm", "comm"}, {"comm", "laddr"}} {
		if _, err := New(Config{GroupBy: names, MaxGroups: 1}); err == nil {
			t.Errorf("%q are labels", names)
		}
	}
}
