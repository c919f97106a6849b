package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// stuck is a file that takes nothing until it is released.
type stuck struct {
	bytes.Buffer
	writing chan struct{} // has a token when somebody writes
	release chan struct{}
}

func newStuck() *stuck {
	return &stuck{writing: make(chan struct{}, 1), release: make(chan struct{})}
}

func (s *stuck) Write(b []byte) (int, error) {
	token(s.writing)
	<-s.release
	return s.Buffer.Write(b)
}

func (s *stuck) Close() error { return nil }

// closed is a channel that is.
func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// discard is a queue to nowhere.
func discard(t testing.TB) *Queue {
	t.Helper()
	q := NewQueue(devNull{}, QueueConfig{})
	t.Cleanup(func() { _ = q.Close(nil) })
	return q
}

type devNull struct{}

func (devNull) Write(b []byte) (int, error) { return len(b), nil }
func (devNull) Close() error                { return nil }

// written is what a sink makes of events.
func written(t testing.TB, open func(*Queue) Sink, events []event.Event) []byte {
	t.Helper()
	var out memory
	q := NewQueue(&out, QueueConfig{})
	s := open(q)
	for _, ev := range events {
		if err := s.Write(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Flush(), q.Close(nil)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// line is one of 10 bytes.
func line(i int) []byte { return fmt.Appendf(nil, "%09d\n", i) }

// fill puts lines until one is refused, and returns how many were taken.
func fill(t *testing.T, q *Queue, rank Rank) (n int) {
	t.Helper()
	for {
		taken, err := q.Put(line(n), rank)
		if err != nil {
			t.Fatal(err)
		}
		if !taken {
			return n
		}
		n++
	}
}

// TestQueueRanks: a full queue refuses what is ordinary first, then what is rare,
// and what is last has room.
func TestQueueRanks(t *testing.T) {
	file := newStuck()
	q := NewQueue(file, QueueConfig{Bytes: 8000})
	if n := fill(t, q, Ordinary); n != 800 {
		t.Errorf("%d ordinary lines of 10 bytes find room in 8000", n)
	}
	if n := fill(t, q, Rare); n != 100 {
		t.Errorf("%d rare lines find room in an eighth of 8000 bytes", n)
	}
	if taken, err := q.Put(line(1), Last); !taken || err != nil {
		t.Errorf("the last line is taken: %v, %v", taken, err)
	}
	close(file.release)
	if err := q.Close(nil); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(file.String(), "\n"); n != 901 || file.Len() != 9010 {
		t.Errorf("%d lines, %d bytes are written, want 901", n, file.Len())
	}
}

// TestQueueIsRead in whole lines, in order, through its ring many times over.
func TestQueueIsRead(t *testing.T) {
	var out memory
	q := NewQueue(&out, QueueConfig{Bytes: 3000, Wait: make(chan struct{})})
	want := new(bytes.Buffer)
	for i := range 200_000 {
		b := line(i)[:1+i%9]
		want.Write(b)
		if taken, err := q.Put(b, Ordinary); !taken || err != nil {
			t.Fatalf("line %d: %v, %v", i, taken, err)
		}
	}
	if err := q.Close(nil); err != nil {
		t.Fatal(err)
	}
	if !out.closed || !bytes.Equal(out.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes written, closed %v; want %d", out.Len(), out.closed, want.Len())
	}
}

// TestQueueGivenUp says what was not written, and leaves nobody waiting.
func TestQueueGivenUp(t *testing.T) {
	stop := make(chan struct{})
	file := newStuck()
	q := NewQueue(file, QueueConfig{Bytes: 100, Wait: stop})
	for i := range 10 {
		if taken, err := q.Put(line(i), Ordinary); !taken || err != nil {
			t.Fatal(taken, err)
		}
	}
	ended := make(chan error)
	go func() {
		_, err := q.Put(line(10), Ordinary)
		ended <- err
	}()
	<-file.writing
	close(stop)
	if err := <-ended; !errors.Is(err, ErrStopped) {
		t.Errorf("the line that waits for room: %v", err)
	}
	var left *UnwrittenError
	if err := q.Close(closed()); !errors.As(err, &left) || *left != (UnwrittenError{10, 100}) {
		t.Errorf("given up: %v, want 10 lines, 100 bytes", err)
	}
	if _, err := q.Put(line(11), Last); !errors.Is(err, ErrStopped) {
		t.Errorf("a line behind the end: %v", err)
	}
	close(file.release)
}

// TestQueueLarge: what is larger than the queue is taken where it is empty.
func TestQueueLarge(t *testing.T) {
	var out memory
	q := NewQueue(&out, QueueConfig{Bytes: 100})
	large := bytes.Repeat([]byte("x"), 2*q.limits[Rare])
	if taken, err := q.Put(large, Ordinary); !taken || err != nil {
		t.Fatal(taken, err)
	}
	if err := q.Close(nil); err != nil || !bytes.Equal(out.Bytes(), large) {
		t.Errorf("%d of %d bytes, %v", out.Len(), len(large), err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (brokenPipe) Close() error              { return nil }

func TestWriteErrorStays(t *testing.T) {
	q := NewQueue(brokenPipe{}, QueueConfig{})
	j := NewJSON(q, FixedClock(0), event.TierNone)
	if err := j.Write(sampleRecord()); err != nil {
		t.Fatalf("a queued write fails: %v", err)
	}
	if err := q.Close(nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Close returns %v", err)
	}
	if err := j.Flush(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Flush returns %v", err)
	}
	if err := j.Write(sampleRecord()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write returns %v", err)
	}
}

// BenchmarkQueue is what a line costs the tracer besides its spelling.
func BenchmarkQueue(b *testing.B) {
	q := discard(b)
	unit := bytes.Repeat([]byte("x"), 700)
	b.ReportAllocs()
	b.SetBytes(int64(len(unit)))
	taken := 0
	for b.Loop() {
		if ok, _ := q.Put(unit, Ordinary); ok {
			taken++
		}
	}
	b.ReportMetric(float64(taken)/float64(b.N), "taken/op")
}
