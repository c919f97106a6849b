package flight

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// recording is a Recorder with a clock of the test's, and the dumps it has made.
type recording struct {
	*Recorder
	t     *testing.T
	now   uint64
	dumps chan []event.Event
}

func newRecording(t *testing.T, cfg Config) *recording {
	t.Helper()
	r := &recording{t: t, now: 1000e9, dumps: make(chan []event.Event, 8)}
	cfg.Now = func() uint64 { return r.now }
	if cfg.Bytes == 0 {
		cfg.Bytes = 64 << 20
	}
	cfg.Dump = func(d *Dump) (string, error) {
		var all keeping
		err := d.WriteTo(&all, event.TierNone)
		r.dumps <- all
		return "somewhere", err
	}
	r.Recorder = New(cfg)
	return r
}

// keeping is a sink that keeps copies.
type keeping []event.Event

func (k *keeping) Write(ev event.Event) error {
	if r, ok := ev.(*event.Record); ok {
		c := *r
		c.Payload = bytes.Clone(c.Payload)
		ev = &c
	}
	*k = append(*k, ev)
	return nil
}

func (k *keeping) Flush() error { return nil }

func (r *recording) record(seq uint64) {
	r.t.Helper()
	if err := r.Write(&event.Record{Seq: seq, Mono: r.now, Conn: event.Conn{ID: 1}, Type: event.ApplicationData, Len: 10}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recording) pass(d time.Duration) {
	r.t.Helper()
	r.now += uint64(d)
	if err := r.Flush(); err != nil {
		r.t.Fatal(err)
	}
}

// dump waits for the next dump.
func (r *recording) dump() []event.Event {
	r.t.Helper()
	select {
	case d := <-r.dumps:
		return d
	case <-time.After(20 * time.Second):
		r.t.Fatal("no dump")
		return nil
	}
}

// seqs returns the records of a dump; the trigger is -1, and the summary is checked.
func seqs(t *testing.T, dump []event.Event) (all []int) {
	t.Helper()
	var records uint64
	for i, ev := range dump {
		switch ev := ev.(type) {
		case *event.Record:
			all = append(all, int(ev.Seq))
			records++
		case *event.Trigger:
			all = append(all, -1)
		case *event.Summary:
			if i != len(dump)-1 || ev.Totals.Records[0] != records || ev.Totals.Bytes[0] != 10*records {
				t.Errorf("summary %+v at %d of %d, of %d records", ev, i, len(dump), records)
			}
		}
	}
	return all
}

func parse(t *testing.T, s string) *match.Expr {
	t.Helper()
	e, err := match.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExpression(t *testing.T) {
	r := newRecording(t, Config{Keep: 3 * time.Second, After: 2 * time.Second, On: parse(t, "errno == EBADMSG"), OnText: "errno == EBADMSG"})
	for seq := range uint64(10) {
		r.record(seq)
		r.pass(time.Second)
	}
	if err := r.Write(&event.Error{Errno: 5, Mono: r.now}); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(&event.Error{Errno: 74, Mono: r.now}); err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(4) {
		r.record(10 + seq)
		r.pass(time.Second)
	}
	got := r.dump()
	// At the time 10 the dump covers 7 to 12, when the clock reaches 12.
	if want := []int{7, 8, 9, -1, 10, 11}; !slices.Equal(seqs(t, got), want) {
		t.Errorf("%v, want %v", seqs(t, got), want)
	}
	trigger, ok := got[5].(*event.Trigger)
	if !ok || trigger.By != event.ByExpression || trigger.Expr != "errno == EBADMSG" || trigger.Kept != 3e9 || trigger.Requested != 3e9 {
		t.Errorf("%+v", got[5])
	}
	if err := r.Close(nil); err != nil || len(r.dumps) != 0 {
		t.Errorf("%v, %d more dumps", err, len(r.dumps))
	}
}

// Events of one dump are not in the next, and no event between them is missing.
func TestNextDumpGoesOn(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute, After: time.Second})
	var got []int
	for round := range uint64(3) {
		r.record(2 * round)
		done := r.Request(event.BySignal)
		r.pass(0)
		r.record(2*round + 1)
		r.pass(time.Second)
		got = append(got, seqs(t, r.dump())...)
		if <-done.Done; done.Err != nil || done.Where != "somewhere" {
			t.Errorf("%+v", done)
		}
		r.finished.Wait()
	}
	if want := []int{0, -1, 1, 2, -1, 3, 4, -1, 5}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// While a dump is written, the next one waits, and every request gets an answer.
func TestSlowDump(t *testing.T) {
	release, failed := make(chan struct{}), errors.New("the disk is full")
	r := newRecording(t, Config{Keep: time.Minute})
	write := r.cfg.Dump
	r.cfg.Dump = func(d *Dump) (string, error) {
		<-release
		where, err := write(d)
		return where, errors.Join(err, failed)
	}
	r.record(1)
	first := r.Request(event.ByRequest)
	r.pass(time.Second)
	r.record(2)
	second, third := r.Request(event.BySignal), r.Request(event.ByRequest)
	r.pass(time.Second)
	r.record(3)
	fourth := r.Request(event.ByRequest)
	r.pass(time.Second)
	close(release)
	if err := r.Close(nil); err != nil {
		t.Fatal(err)
	}
	if got, want := seqs(t, r.dump()), []int{1, -1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	got := r.dump()
	if want := []int{2, -1, 3}; !slices.Equal(seqs(t, got), want) || got[1].(*event.Trigger).Again != 2 {
		t.Errorf("%v, want %v; %+v", seqs(t, got), want, got[1])
	}
	for i, res := range []*Result{first, second, third, fourth} {
		if <-res.Done; !errors.Is(res.Err, failed) {
			t.Errorf("%d: %+v", i, res)
		}
	}
	late := r.Request(event.ByRequest)
	if <-late.Done; !errors.Is(late.Err, ErrOver) {
		t.Errorf("%+v", late)
	}
}

// A run that ends writes the due dump, without the events that would have followed.
func TestEnd(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute, After: time.Hour, On: parse(t, "len == 10")})
	r.record(1)
	if err := r.Close(nil); err != nil {
		t.Fatal(err)
	}
	if got, want := seqs(t, r.dump()), []int{1, -1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A writer that never ends is stopped.
func TestGiveUp(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute})
	r.cfg.Dump = func(d *Dump) (string, error) {
		<-d.GiveUp
		return "", errors.New("given up")
	}
	done := r.Request(event.BySignal)
	now := make(chan struct{})
	close(now)
	if err := r.Close(now); err != nil {
		t.Fatal(err)
	}
	if <-done.Done; done.Err == nil {
		t.Error("no error")
	}
}

// Old events are not written because nothing has followed them.
func TestQuiet(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute})
	r.record(1)
	r.pass(time.Hour)
	r.Request(event.BySignal)
	r.pass(0)
	got := r.dump()
	if want := []int{-1}; !slices.Equal(seqs(t, got), want) || got[0].(*event.Trigger).Kept != 0 {
		t.Errorf("%v, want %v; %+v", seqs(t, got), want, got[0])
	}
	if err := r.Close(nil); err != nil {
		t.Fatal(err)
	}
}

// Any number of requests, also abandoned ones, take no memory while a dump waits.
func TestManyAsk(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute, After: time.Minute})
	first := r.Request(event.ByRequest)
	for range 100_000 {
		if r.Request(event.ByRequest) != first {
			t.Fatal("another result for the same dump")
		}
		r.pass(time.Microsecond)
	}
	r.pass(time.Minute)
	if got := r.dump(); got[0].(*event.Trigger).Again != 100_000 {
		t.Errorf("%+v", got[0])
	}
	if <-first.Done; first.Err != nil {
		t.Error(first.Err)
	}
}

func TestOften(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute, On: parse(t, "event == rekey"), Times: 3, Within: time.Second})
	rekey := func() {
		t.Helper()
		if err := r.Write(&event.Socket{State: event.SocketRekey, Mono: r.now}); err != nil {
			t.Fatal(err)
		}
	}
	for range 6 { // three in 1.2 s
		rekey()
		r.pass(600 * time.Millisecond)
	}
	if r.due != nil || len(r.dumps) != 0 {
		t.Fatal("set off too early")
	}
	r.pass(time.Minute)
	rekey()
	r.now += 5e8
	rekey()
	r.now += 5e8
	rekey()
	r.pass(0)
	if n := len(r.dump()); n < 5 {
		t.Errorf("%d events", n)
	}
	if err := r.Close(nil); err != nil {
		t.Fatal(err)
	}
}

// With any events, memory is limited, order is kept, and only the oldest are missing.
func TestBounded(t *testing.T) {
	const limit = 2 << 20
	r := newRecording(t, Config{Keep: time.Hour, Bytes: limit})
	rnd := rand.New(rand.NewPCG(1, 2))
	payload := bytes.Repeat([]byte("plaintext"), 2000)
	var seq uint64
	for range 20_000 {
		r.now += 1000
		if rnd.IntN(20) == 0 {
			if err := r.Write(&event.Lost{Cause: "ring_full", Count: 1, Mono: r.now}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		seq++
		b := payload[:rnd.IntN(len(payload))]
		if rnd.IntN(3) > 0 {
			b = nil
		}
		if err := r.Write(&event.Record{Seq: seq, Mono: r.now, Len: uint32(len(b)), Payload: b}); err != nil {
			t.Fatal(err)
		}
		if r.ring.size() > limit {
			t.Fatalf("%d bytes held", r.ring.size())
		}
	}
	r.Request(event.BySignal)
	r.pass(0)
	got := r.dump()
	n := 0
	for _, ev := range slices.Backward(got) {
		if rec, ok := ev.(*event.Record); ok {
			if rec.Seq != seq || !bytes.Equal(rec.Payload, payload[:rec.Len]) {
				t.Fatalf("record %d with %d of %d bytes, want record %d", rec.Seq, len(rec.Payload), rec.Len, seq)
			}
			seq--
			n++
		}
	}
	if n < 100 {
		t.Errorf("only %d records are there", n)
	}
	for _, ev := range got {
		if trigger, ok := ev.(*event.Trigger); ok && (trigger.Kept == 0 || trigger.Kept >= trigger.Requested) {
			t.Errorf("%+v does not say how little was kept", trigger)
		}
	}
}

// Memory taken by much plaintext is released when little follows.
func TestShrinks(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Second, Bytes: 8 << 20})
	for i := range uint64(400) {
		if err := r.Write(&event.Record{Seq: i, Mono: r.now, Len: 16384, Payload: make([]byte, 16384)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 50_000 {
		r.now += 1e6
		r.record(1)
	}
	if r.ring.size() > 8<<20 || r.ring.events < 900 {
		t.Errorf("%d bytes, %d events", r.ring.size(), r.ring.events)
	}
}

func BenchmarkWrite(b *testing.B) {
	r := New(Config{Keep: time.Second, Bytes: 64 << 20, Now: func() uint64 { return 0 }})
	record := &event.Record{Mono: 1}
	b.ReportAllocs()
	for b.Loop() {
		record.Mono += 10_000
		if err := r.Write(record); err != nil {
			b.Fatal(err)
		}
	}
}
