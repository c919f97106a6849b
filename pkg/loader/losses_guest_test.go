package loader

import (
	"context"
	"errors"
	"maps"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// reported is what a run reported of its connections.
type reported struct {
	records, payloads [2]uint64
	matched           [2]uint64      // records for which the expression holds
	skipped           [2]uint64      // what sampling left out and a record stands for
	gens              [2]uint32      // of the last record
	sent              map[uint64]int // records by sequence
	queues            []uint64       // of records sent, in their order
	calls             []event.Call   // of each record received
	errors            []event.Error
	lost              losses
}

// losses are by cause and direction; what has none is under TX.
type losses map[string][2]uint64

// exchanged traces n records over each of some connections, and reads what was
// reported only then.
func exchanged(t *testing.T, cfg Config, conns, n int) (*Tracer, reported) {
	t.Helper()
	return traced(t, cfg, func() {
		for range conns {
			a, b := kernelTLS(t)
			exchange(t, a, b, n, 100)
		}
	})
}

// traced traces some traffic, and reads what was reported only then.
func traced(t *testing.T, cfg Config, traffic func()) (*Tracer, reported) {
	t.Helper()
	needGuest(t)
	tr, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	traffic()
	got := reported{sent: map[uint64]int{}, lost: losses{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Run(ctx, func(ev event.Event) error {
		switch ev := ev.(type) {
		case *event.Record:
			got.records[ev.Dir]++
			if !ev.Unmatched {
				got.matched[ev.Dir]++
			}
			got.skipped[ev.Dir] += ev.Skipped
			got.gens[ev.Dir] = ev.Gen
			if ev.Dir == event.TX {
				got.sent[ev.Seq]++
				got.queues = append(got.queues, ev.Lat.Stage[0])
			}
			if ev.Dir == event.RX {
				got.calls = append(got.calls, ev.Call)
			}
			if len(ev.Payload) > 0 {
				got.payloads[ev.Dir]++
			}
		case *event.Error:
			got.errors = append(got.errors, *ev)
		case *event.Lost:
			n := got.lost[ev.Cause]
			n[ev.Dir] += ev.Count
			got.lost[ev.Cause] = n
			if ev.HasDir == (ev.Cause == causeEvents) {
				t.Errorf("%+v: a record has a direction, another event none", ev)
			}
		}
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	return tr, got
}

// check compares what was seen, of as many sealed and as many opened, with what
// is reported as lost.
func (g *reported) check(t *testing.T, seen [2]uint64, each uint64, cause string) {
	t.Helper()
	want := losses{cause: {each - seen[event.TX], each - seen[event.RX]}}
	if want[cause] == [2]uint64{} || !maps.Equal(g.lost, want) {
		t.Errorf("of %d each %v are seen and %v lost, want %v", each, seen, g.lost, want)
	}
}

// TestLossOfRecords: the ring has no room for data, and still some for the opens.
func TestLossOfRecords(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	_, got := exchanged(t, Config{RingBytes: 16384}, 1, 300)
	got.check(t, got.records, 300, "ring_full")
}

// TestLossOfSampled: what a record that found no room would have stood for is
// left to another.
func TestLossOfSampled(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	tr, got := exchanged(t, Config{RingBytes: 16384, Sample: &Sampling{Every: 3}}, 1, 900)
	open, err := tr.Connections()
	if err != nil || len(open) != 2 {
		t.Fatalf("%d connections are open: %v", len(open), err)
	}
	known := got.records
	for d := range known {
		known[d] += got.skipped[d] + open[0].Skipped[d] + open[1].Skipped[d]
	}
	got.check(t, known, 900, "ring_full")
}

// TestLossOfEvents: not one record comes, so what finds no room is no record.
func TestLossOfEvents(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	_, got := exchanged(t, Config{RingBytes: 4096}, 40, 0)
	if n := got.lost[causeEvents]; n == [2]uint64{} || len(got.lost) != 1 || got.records != [2]uint64{} {
		t.Errorf("%v lost, %v records seen; want ring_full_events alone", got.lost, got.records)
	}
}

// TestLossOfPayloads: the records are all reported, some without their plaintext.
func TestLossOfPayloads(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	_, got := exchanged(t, Config{Snaplen: 64, PayloadRingBytes: 4096}, 1, 50)
	if got.records != [2]uint64{50, 50} {
		t.Errorf("%v records seen, want 50 each", got.records)
	}
	got.check(t, got.payloads, 50, "payload_ring_full")
}

// TestRoomOfPayloads: a plaintext takes no more of its ring than the size of the next
// class and a step, whatever could have been copied of it.
func TestRoomOfPayloads(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	tr, err := Open(t.Context(), Config{Snaplen: 16384})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	used := func() (n uint64) {
		for _, r := range tr.Rings() {
			if r.Name == "payloads" {
				n = r.Used
			}
		}
		return n
	}
	a, b := kernelTLS(t)
	for _, c := range []struct {
		size int
		most uint64
	}{{100, 600}, {1000, 1400}, {3000, 5300}, {8000, 10400}, {16384, 20600}} {
		before := used()
		exchange(t, a, b, 1, c.size)
		if n := used() - before; n < 2*uint64(c.size) || n > 2*c.most {
			t.Errorf("%d bytes sent and received take %d bytes of the ring, want %d at most", c.size, n, 2*c.most)
		}
	}
}

// TestLossOfConnections: of the sockets that found no room, each record counts
// once, not each hook that looked for room; what cannot be opened is no record.
func TestLossOfConnections(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	_, got := traced(t, Config{hotFull: true, entries: map[string]uint32{"conns": 2}}, func() {
		for range 3 {
			a, b := kernelTLS(t)
			exchange(t, a, b, 50, 100)
		}
		a, b := loopback(t)
		if err := raw.Enable(b, nil, oneKey()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write(append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(make([]byte, 100)); !errors.Is(err, unix.EBADMSG) {
			t.Errorf("a forged record: %v", err)
		}
	})
	got.check(t, got.records, 150, "conn_map_full")
}

// TestLossOfSums: what the sums lack is what found no room in them. A connection
// with a place in "hot" has room for its sums, so none gets a place.
func TestLossOfSums(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	tr, got := exchanged(t, Config{Aggregate: true, hotFull: true, entries: map[string]uint32{"stats": 2}}, 3, 50)
	var sums [2]uint64
	if err := tr.Samples(func(s *event.Sample) {
		for d, n := range s.Totals.Records {
			sums[d] += n
		}
	}); err != nil {
		t.Fatal(err)
	}
	got.check(t, sums, 150, "stats_map_full")
}

// TestLossOfPending: of the records that wait for TCP all but one find no room.
// No record is reported twice.
func TestLossOfPending(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	const n = 64
	_, got := traced(t, Config{entries: map[string]uint32{"pending": 1}}, func() {
		a, b := narrowTLS(t)
		crowd(t, a, b, n)
	})
	for seq, times := range got.sent {
		if times != 1 || seq >= n {
			t.Errorf("record %d is reported %d times", seq, times)
		}
	}
	got.check(t, got.records, n, "pending_map_full")
}

// narrowTLS is a connection whose TCP takes a record piece by piece.
func narrowTLS(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	a, b = narrow(t)
	if err := errors.Join(raw.Enable(a, oneKey(), nil), raw.Enable(b, nil, oneKey())); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// narrow is a plain connection with little room at both ends.
func narrow(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	// The receiver's room bounds the pieces from the first segment on.
	a, b = loopback(t, func(ln *net.TCPListener) error {
		raw, err := ln.SyscallConn()
		if err != nil {
			return err
		}
		var failed error
		err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
		return errors.Join(err, failed)
	})
	if err := a.SetWriteBuffer(4096); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// crowd sends n records without waiting for TCP to take one before it seals the
// next, and reads them. The kernel's worker, which would hand them over, runs on
// the same processor and has to wait until this thread does.
func crowd(t *testing.T, a, b *net.TCPConn, n int) {
	t.Helper()
	alone(t)
	left, due := n*MaxSnaplen, n*MaxSnaplen
	buf := make([]byte, MaxSnaplen)
	out, in := fdOf(t, a), fdOf(t, b)
	for due > 0 {
		m, err := unix.Write(out, buf[:min(left, len(buf))])
		if err != nil && !tryAgain(err) {
			t.Fatal(err)
		}
		left -= max(m, 0)
		if err == nil && m > 0 {
			continue
		}
		m, err = unix.Read(in, buf)
		if err != nil && !tryAgain(err) {
			t.Fatal(err)
		}
		due -= max(m, 0)
		if err != nil {
			wait := []unix.PollFd{{Fd: int32(in), Events: unix.POLLIN}, {Fd: int32(out), Events: unix.POLLOUT}}
			if left == 0 {
				wait = wait[:1]
			}
			poll(t, wait...)
		}
	}
}

// poll waits until one of the descriptors is ready.
func poll(t *testing.T, fds ...unix.PollFd) {
	t.Helper()
	for {
		_, err := unix.Poll(fds, -1)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) { // Go's runtime signals the thread
			t.Fatal(err)
		}
	}
}

// tryAgain: nothing was done, since there is no room, or Go's runtime has signaled the thread.
func tryAgain(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) }

// alone keeps this goroutine on one processor until the test ends, before all
// else there.
func alone(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // the thread ends with the goroutine, which never unlocks it
	var one unix.CPUSet
	one.Set(0)
	first := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	if err := errors.Join(unix.SchedSetaffinity(0, &one), unix.SchedSetAttr(0, first, 0)); err != nil {
		t.Fatal(err)
	}
}

// fdOf is the connection's descriptor while c lives.
func fdOf(t *testing.T, c *net.TCPConn) (fd int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}
