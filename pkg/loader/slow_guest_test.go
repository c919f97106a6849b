package loader

import (
	"io"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// slowBucket is the bucket of the sums that begins with the time from which on these tests call a record slow.
const slowBucket = 28 // 268 ms

// TestSlowRecords: a record that is open for long, and those that wait for their reader or for TCP, come as events, once each,
// and are in the sums; of all the others there are only the sums.
func TestSlowRecords(t *testing.T) {
	needGuest(t)
	guesttest.OnOneKernel(t)
	for name, withoutStages := range map[string]bool{"with stages": false, "without stages": true} {
		t.Run(name, func(t *testing.T) {
			tr, got := traced(t, Config{Aggregate: true, WithoutStages: withoutStages, Slow: 1 << slowBucket}, func() {
				stall(t)
			})
			if !tr.Aggregates() {
				t.Fatalf("nothing is added up: %q", tr.Missing())
			}
			want := slowInSums(t, tr)
			if got.records != want || len(got.lost) > 0 {
				t.Errorf("%v slow records came as events, %v are in the sums; lost %v", got.records, want, got.lost)
			}
			if got.records[event.TX] == 0 || got.records[event.RX] == 0 {
				t.Errorf("records that had to wait are not slow: %v", got.records)
			}
		})
	}
}

// TestCallOfSlowRecords: of the records that one call opens only the last has the call, with how many they are.
// How long that took is not known without stages: then the first one is seen when it has been opened.
func TestCallOfSlowRecords(t *testing.T) {
	needGuest(t)
	guesttest.OnOneKernel(t)
	const n, size = 3, 100
	_, got := traced(t, Config{Aggregate: true, WithoutStages: true, Slow: 1}, func() {
		a, b := kernelTLS(t)
		for range n {
			sendOn(t, a, size, 0)
		}
		arrived(t, b, n*sealed(size)) // a call opens what is there
		if got, err := unix.Read(fdOf(t, b), make([]byte, n*size)); got != n*size {
			t.Fatalf("one call has read %d bytes, %v", got, err)
		}
	})
	if want := []event.Call{{}, {}, {Records: n}}; !slices.Equal(got.calls, want) {
		t.Errorf("the records received have the calls %+v, want %+v", got.calls, want)
	}
}

// stall lets a record be open for longer than one may take, and others wait for their reader, and to 6.1 for TCP, which takes a
// part of one there.
func stall(t *testing.T) {
	t.Helper()
	a, b := narrowTLS(t)
	c, d := kernelTLS(t)
	exchange(t, a, b, 100, 100) // most of those behind it are plain
	exchange(t, c, d, 100, 100)
	due := fill(t, a) * filling
	sendOn(t, c, 100, 0)
	arrived(t, d, sealed(100))
	half, out := make([]byte, 100), fdOf(t, c)
	if _, err := unix.SendmsgN(out, half, nil, nil, unix.MSG_MORE); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); time.Since(begun) < 2<<slowBucket; {
		runtime.Gosched() // the time that has to show
	}
	if _, err := unix.SendmsgN(out, half, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	for in, n := range map[net.Conn]uint64{b: due, d: 300} {
		if _, err := io.CopyN(io.Discard, in, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	exchange(t, a, b, 1, 100) // behind it nothing waits for TCP
}

// slowInSums is how many records of each direction took that long by what the kernel added up.
func slowInSums(t *testing.T, tr *Tracer) (n [2]uint64) {
	t.Helper()
	err := tr.Samples(func(s *event.Sample) {
		for d := range s.Lat {
			for _, count := range s.Lat[d][3].N[slowBucket:] {
				n[d] += uint64(count)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSlowLimit: where all records are slow, so many a second come as events, and the others are counted. With an
// expression and plaintext, so that none is plain.
func TestSlowLimit(t *testing.T) {
	needGuest(t)
	guesttest.OnOneKernel(t)
	const n = 2000
	expr, err := ParseMatch(`len > 0 and payload contains "\x00"`)
	if err != nil {
		t.Fatal(err)
	}
	tr, got := traced(t, Config{Aggregate: true, Slow: 1, Snaplen: 256, Match: expr}, func() {
		a, b := kernelTLS(t)
		exchange(t, a, b, n, 100)
	})
	if !tr.Aggregates() {
		t.Fatalf("nothing is added up: %q", tr.Missing())
	}
	lost := got.lost["slow_limit"]
	for d, events := range got.records {
		if events == 0 || lost[d] == 0 || events+lost[d] != n {
			t.Errorf("%v: %d of %d records came as events, %d were counted", event.Dir(d), events, n, lost[d])
		}
	}
	err = tr.Samples(func(s *event.Sample) {
		if got := s.Totals.Records[event.TX] + s.Totals.Records[event.RX]; got != n {
			t.Errorf("the sums have %d records of one end, want %d", got, n)
		}
	})
	if err != nil || len(got.lost) != 1 {
		t.Errorf("lost %v, %v", got.lost, err)
	}
}
