package assemble

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// bench drives an assembler by hand: ring is the payload ring, got the output.
type bench struct {
	*Assembler
	ring    []wire.Payload
	fetches int
	got     []event.Event
}

func newBench() *bench {
	b := &bench{}
	b.Assembler = New(func(keep func(wire.Payload) bool) error {
		b.fetches++
		for len(b.ring) > 0 {
			p := b.ring[0]
			b.ring = b.ring[1:]
			enough := keep(p)
			clear(p.Data) // the memory belongs to the ring
			if enough {
				return nil
			}
		}
		return nil
	}, Options{})
	return b
}

// out keeps a copy: an event is valid only during the call.
func (b *bench) out(e event.Event) error {
	if r, ok := e.(*event.Record); ok {
		c := *r
		c.Payload = slices.Clone(r.Payload)
		e = &c
	}
	b.got = append(b.got, e)
	return nil
}

func (b *bench) feed(t *testing.T, events ...wire.Event) {
	t.Helper()
	for _, w := range events {
		if err := b.Add(&w, b.out); err != nil {
			t.Fatal(err)
		}
	}
}

// submit puts the payload of a record into the ring, as the kernel does before
// the record's event.
func (b *bench) submit(w wire.Event, data string) {
	b.ring = append(b.ring, wire.Payload{Key: w.Key(), Data: []byte(data)})
}

// take returns the output since the last call, one word for each event: "tx0.3" is tx record
// 3 of generation 0.
func (b *bench) take() string {
	var words []string
	for _, e := range b.got {
		switch e := e.(type) {
		case *event.Record:
			words = append(words, fmt.Sprintf("%v%d.%d", e.Dir, e.Gen, e.Seq))
		case *event.Socket:
			words = append(words, e.State.String())
		case *event.Error:
			words = append(words, "error")
		}
	}
	b.got = nil
	return strings.Join(words, " ")
}

func (b *bench) expect(t *testing.T, want string) {
	t.Helper()
	if got := b.take(); got != want {
		t.Errorf("out came %q, want %q", got, want)
	}
}

func (b *bench) expectEmpty(t *testing.T) {
	t.Helper()
	if n := b.payloads.len() + b.async.len() + b.conns.Len() + b.waits + b.heldBytes + b.payloadBytes; n != 0 {
		t.Errorf("the assembler keeps %d things of closed connections: %+v", n, b.Assembler)
	}
}

// sent is a TX record that TCP has; unsentTX one that it never got.
func sent(seq uint64) wire.Event {
	return wire.Event{Kind: wire.KindRecord, Conn: 1, Pid: 10, Tid: 10, Rec: wire.Rec{Seq: seq, Len: 100, Op: uint8(event.OpSend), Stamp: [4]uint64{1, 2, 3, 4}}}
}

func unsentTX(gen uint32, seq uint64) wire.Event {
	w := sent(seq)
	w.Gen, w.Rec.Stamp[3] = gen, 0
	return w
}

// returned is an RX record whose call has returned; inCall one whose call goes on and will
// have it when it returns; passed one that the call delivered at a time while it went on.
func returned(seq uint64, task uint32, at uint64) wire.Event {
	return wire.Event{
		Kind: wire.KindRecord, Conn: 1, Dir: uint8(event.RX), Pid: 10, Tid: task,
		Rec: wire.Rec{Seq: seq, Len: 100, Op: uint8(event.OpSpliceRead), Stamp: [4]uint64{1, 2, 3, at}},
	}
}

func inCall(seq uint64, task uint32) wire.Event {
	w := returned(seq, task, 0)
	w.Flags = wire.FlagReturnLater
	return w
}

func passed(seq uint64, task uint32, at uint64) wire.Event {
	w := inCall(seq, task)
	w.Rec.Stamp[3] = at
	return w
}

func socketEvent(s event.SocketState) wire.Event {
	w := wire.Event{Kind: wire.KindSocket, Conn: 1}
	w.AboutSocket().State = uint8(s)
	return w
}

// undecipherable is the completion of asynchronous crypto for a record that it could not
// open.
func undecipherable(seq uint64) wire.Event {
	w := wire.Event{Kind: wire.KindError, Conn: 1, Dir: uint8(event.RX)}
	f := w.AboutFailure()
	f.Seq, f.Err, f.Func = seq, 74, wire.FuncDecryptDone
	return w
}

func ofConn(conn uint64, w wire.Event) wire.Event {
	w.Conn = conn
	return w
}

func with(flags uint8, w wire.Event) wire.Event {
	w.Flags |= flags
	return w
}

func TestPayloadJoin(t *testing.T) {
	const text = "plaintext"
	one, two := with(wire.FlagPayload, sent(1)), with(wire.FlagPayload, sent(2))
	short := one
	short.Rec.Len = 5
	for _, c := range []struct {
		name    string
		submit  []wire.Event
		record  wire.Event
		want    string
		fetches int
	}{
		{"fetched on demand", []wire.Event{one}, one, text, 1},
		{"among others", []wire.Event{two, one, ofConn(2, one)}, one, text, 1},
		{"missing", []wire.Event{two}, one, "", 1},
		{"of another generation", []wire.Event{func() wire.Event { w := one; w.Gen = 1; return w }()}, one, "", 1},
		{"of the other direction", []wire.Event{func() wire.Event { w := one; w.Dir = 1; return w }()}, one, "", 1},
		{"longer than the record", []wire.Event{one}, short, text[:5], 1},
		{"record without payload", []wire.Event{one}, sent(1), "", 0},
	} {
		b := newBench()
		for _, w := range c.submit {
			b.submit(w, text)
		}
		b.feed(t, c.record)
		if len(b.got) != 1 || string(b.got[0].(*event.Record).Payload) != c.want || b.fetches != c.fetches {
			t.Errorf("%s: got %v after %d fetches, want payload %q after %d", c.name, b.got, b.fetches, c.want, c.fetches)
		}
	}
}

func TestPayloadAlreadyThere(t *testing.T) {
	b := newBench()
	one, two := with(wire.FlagPayload, sent(1)), with(wire.FlagPayload, sent(2))
	b.submit(one, "first")
	b.submit(two, "second")
	b.feed(t, two, one)
	if b.fetches != 1 {
		t.Errorf("%d fetches, want one: the first payload was passed on the way to the second", b.fetches)
	}
	for i, want := range []string{"second", "first"} {
		if got := string(b.got[i].(*event.Record).Payload); got != want {
			t.Errorf("record %d has %q, want %q", i, got, want)
		}
	}
	if b.payloads.len() != 0 {
		t.Errorf("delivered payloads stay: %v", b.payloads)
	}
}

// A payload whose event was lost is dropped with its connection, and no other is.
func TestOrphanPayload(t *testing.T) {
	b := newBench()
	lost, other, here := with(wire.FlagPayload, sent(1)), with(wire.FlagPayload, ofConn(2, sent(1))), with(wire.FlagPayload, sent(2))
	for _, w := range []wire.Event{lost, other, here} {
		b.submit(w, "text")
	}
	b.feed(t, here, socketEvent(event.SocketClose))
	if !b.payloads.has(other.Key()) || b.payloads.len() != 1 {
		t.Errorf("after the close %v is kept, want that of connection 2 alone", b.payloads)
	}
	b.feed(t, ofConn(2, socketEvent(event.SocketClose)))
	b.expectEmpty(t)
}

func TestFetchError(t *testing.T) {
	broken := errors.New("broken")
	a := New(func(func(wire.Payload) bool) error { return broken }, Options{})
	w := with(wire.FlagPayload, sent(1))
	if err := a.Add(&w, func(event.Event) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestHeldRecords(t *testing.T) {
	const a, b = 11, 12 // tasks
	for _, c := range []struct {
		name string
		in   []wire.Event
		want string
		// returns are the times when the call returned, 0 unknown.
		returns []uint64
	}{
		{"one call, one record", []wire.Event{returned(0, a, 50)}, "rx0.0", []uint64{50}},
		{"one call, three records", []wire.Event{inCall(0, a), inCall(1, a), returned(2, a, 50)}, "rx0.0 rx0.1 rx0.2", []uint64{50, 50, 50}},
		{"another task's event", []wire.Event{inCall(0, a), inCall(1, a), returned(2, b, 50)}, "rx0.0 rx0.1 rx0.2", []uint64{0, 0, 50}},
		{"two tasks in turn", []wire.Event{inCall(0, a), inCall(1, b), returned(2, a, 50)}, "rx0.0 rx0.1 rx0.2", []uint64{50, 0, 50}},
		{"second call has its own", []wire.Event{inCall(0, a), returned(1, a, 50), inCall(2, a), returned(3, a, 70)}, "rx0.0 rx0.1 rx0.2 rx0.3", []uint64{50, 50, 70, 70}},
		{"call still going on", []wire.Event{inCall(0, a)}, "", nil},
		{"closed in the call", []wire.Event{inCall(0, a), inCall(1, a), socketEvent(event.SocketClose)}, "rx0.0 rx0.1 close", []uint64{0, 0}},
		{"other connection's call", []wire.Event{inCall(0, a), ofConn(2, returned(7, a, 50))}, "rx0.7", []uint64{50}},
		{"each has its own end", []wire.Event{passed(0, a, 20), passed(1, a, 30), returned(2, a, 50)}, "rx0.0 rx0.1 rx0.2", []uint64{20, 30, 50}},
		{"none waits for the call", []wire.Event{passed(0, a, 20), passed(1, a, 30)}, "rx0.0 rx0.1", []uint64{20, 30}},
		{"behind one that waits", []wire.Event{passed(0, a, 20), inCall(1, a), passed(2, a, 30)}, "rx0.0", []uint64{20}},
		{"in order behind one that waited", []wire.Event{inCall(0, a), passed(1, a, 30), returned(2, a, 50)}, "rx0.0 rx0.1 rx0.2", []uint64{50, 30, 50}},
		{"sending releases nothing", []wire.Event{inCall(0, a), sent(5)}, "tx0.5", []uint64{4}},
	} {
		bn := newBench()
		bn.feed(t, c.in...)
		got := bn.got
		bn.expect(t, c.want)
		for i, at := range c.returns {
			r := got[i].(*event.Record)
			want := uint64(0)
			if at != 0 {
				want = at - 3
			}
			if r.Lat.Stage[2] != want {
				t.Errorf("%s: record %d took %d to deliver, want %d", c.name, i, r.Lat.Stage[2], want)
			}
		}
	}
}

func TestSameThreadNumberOfAnotherProcess(t *testing.T) {
	b := newBench()
	last := returned(1, 11, 50)
	last.Pid = 99
	b.feed(t, inCall(0, 11), last)
	if got := b.got[0].(*event.Record).Lat.Stage[2]; got != 0 {
		t.Errorf("deliver is %d, want unknown", got)
	}
}

func TestTooManyHeld(t *testing.T) {
	b := newBench()
	for seq := range uint64(maxHeld) {
		b.feed(t, inCall(seq, 11))
	}
	b.expect(t, "")
	b.feed(t, inCall(maxHeld, 11), inCall(maxHeld+1, 11))
	b.expect(t, "rx0.0 rx0.1")
	if n := b.Incomplete(); n != 2 {
		t.Errorf("%d records could not wait, want 2", n)
	}
	if c, _ := b.conns.Peek(1); len(c.opened) != maxHeld {
		n := len(c.opened)
		t.Errorf("%d are held, want %d", n, maxHeld)
	}
	b.feed(t, returned(maxHeld+2, 11, 50))
	if n := len(b.got); n != maxHeld+1 {
		t.Fatalf("%d came out at the return, want %d", n, maxHeld+1)
	}
	for i, e := range b.got {
		if r := e.(*event.Record); r.Seq != uint64(i)+2 || r.Lat.Stage[2] != 47 {
			t.Fatalf("record %d is %d, delivered in %d", i, r.Seq, r.Lat.Stage[2])
		}
	}
}

// longest is the largest plaintext of a record.
const longest = 1 << 14

// The memory of waiting plaintext is limited in bytes too.
func TestWaitingBytesAreBounded(t *testing.T) {
	b := newBench()
	large := strings.Repeat("x", longest)
	most := 0
	for seq := range uint64(maxBytes / longest / 2 * 3) {
		for conn := range uint64(2) {
			w := ofConn(conn+1, with(wire.FlagPayload, inCall(seq, 11)))
			w.Rec.Len = longest
			b.submit(w, large)
			b.submit(ofConn(conn+1, sent(seq)), large) // its event is lost
			b.feed(t, w)
			most = max(most, b.heldBytes, b.payloadBytes)
			b.got = nil
		}
	}
	if most > maxBytes+2*longest || most < maxBytes/2 {
		t.Errorf("up to %d bytes waited, the bound is %d", most, maxBytes)
	}
	b.feed(t, socketEvent(event.SocketClose), ofConn(2, socketEvent(event.SocketClose)))
	if b.heldBytes != 0 || b.payloadBytes != 0 {
		t.Errorf("after the closes %d and %d bytes count as waiting", b.heldBytes, b.payloadBytes)
	}
}

func TestUnsentRecords(t *testing.T) {
	b := newBench()
	b.feed(t, sent(0), unsentTX(1, 1), unsentTX(0, 2), unsentTX(1, 0), unsentTX(0, 1), ofConn(2, unsentTX(0, 8)))
	b.expect(t, "tx0.0")
	b.feed(t, socketEvent(event.SocketClose))
	got := b.got
	b.expect(t, "tx0.1 tx0.2 tx1.0 tx1.1 close")
	if l := got[0].(*event.Record).Lat; l.Stage[2] != 0 || l.Total != 0 || l.Stage[1] == 0 {
		t.Errorf("a record that TCP never got took %+v", l)
	}
}

// TCP has such a record since an unknown time: it keeps its place.
func TestPushedAtAnUnknownTime(t *testing.T) {
	b := newBench()
	b.feed(t, with(wire.FlagPushed, unsentTX(0, 0)), sent(1))
	b.expect(t, "tx0.0 tx0.1")
}

func TestAsync(t *testing.T) {
	opened := func(w wire.Event) wire.Event {
		w.Kind, w.Rec.Stamp[2] = wire.KindOpened, 20
		return w
	}
	first, last := with(wire.FlagAsync, inCall(0, 11)), with(wire.FlagAsync, returned(1, 11, 50))
	first.Rec.Stamp[2], last.Rec.Stamp[2] = 0, 0

	b := newBench()
	done := with(wire.FlagPayload, opened(first))
	b.submit(first, "plaintext")
	b.feed(t, first, done, opened(last), last)
	if len(b.got) != 2 {
		t.Fatalf("got %v", b.got)
	}
	for i, payload := range []string{"plaintext", ""} {
		r := b.got[i].(*event.Record)
		if r.Seq != uint64(i) || r.Lat.Stage != [3]uint64{1, 18, 30} || string(r.Payload) != payload {
			t.Errorf("record %d is %+v", i, r)
		}
	}
	b.expectEmpty(t)
}

// A record that asynchronous crypto could not open is an error in the record's place.
func TestAsyncFailure(t *testing.T) {
	b := newBench()
	first, second := with(wire.FlagAsync, inCall(0, 11)), with(wire.FlagAsync, returned(1, 11, 50))
	second.Rec.Hidden = 3
	b.feed(t, first, undecipherable(1), second)
	got := b.got
	b.expect(t, "rx0.0 error")
	e := got[1].(*event.Error)
	if !e.Consumed || e.Seq != 1 || e.Hidden != 3 || e.Errno != 74 {
		t.Errorf("%+v", e)
	}
	b.feed(t, undecipherable(2)) // whose record is lost
	if err := b.Flush(b.out); err != nil {
		t.Fatal(err)
	}
	b.expect(t, "error")
}

func TestAsyncWithoutCompletion(t *testing.T) {
	b := newBench()
	w := with(wire.FlagAsync, returned(0, 11, 50))
	w.Rec.Stamp[2] = 0
	b.feed(t, w)
	if r := b.got[0].(*event.Record); r.Lat.Stage[1] != 0 || r.Lat.Stage[2] != 0 || r.Lat.Total != 49 {
		t.Errorf("got %+v", r.Lat)
	}
}

func TestFlush(t *testing.T) {
	b := newBench()
	b.feed(t, inCall(0, 11), inCall(1, 11), unsentTX(0, 4), unsentTX(0, 3), unsentTX(0, 5))
	if err := b.Flush(b.out); err != nil {
		t.Fatal(err)
	}
	b.expect(t, "rx0.0 rx0.1 tx0.3 tx0.4 tx0.5")
	b.expectEmpty(t)
	if err := b.Flush(b.out); err != nil || len(b.got) != 0 {
		t.Errorf("a second flush gave %v, %v", b.got, err)
	}
}

func TestOtherEvents(t *testing.T) {
	b := newBench()
	b.feed(t, socketEvent(event.SocketOpen), wire.Event{Kind: wire.KindError, Conn: 1}, socketEvent(event.SocketRekey),
		wire.Event{Kind: 0}, wire.Event{Kind: 200}, socketEvent(event.SocketClose))
	b.expect(t, "open error rekey close")
}

// An error of the receiver ends everything at once, wherever it happens.
func TestReceiverError(t *testing.T) {
	full := errors.New("full")
	refuse := func(event.Event) error { return full }
	many := slices.Repeat([]wire.Event{inCall(0, 11)}, maxHeld)
	for _, c := range []struct {
		name   string
		before []wire.Event
		last   wire.Event
	}{
		{"sent", nil, sent(0)},
		{"returned", nil, returned(0, 11, 50)},
		{"released", []wire.Event{inCall(0, 11)}, returned(1, 11, 50)},
		{"too many held", many, inCall(1, 11)},
		{"socket", nil, socketEvent(event.SocketOpen)},
		{"held at close", []wire.Event{inCall(0, 11)}, socketEvent(event.SocketClose)},
		{"unsent at close", []wire.Event{unsentTX(0, 0)}, socketEvent(event.SocketClose)},
		{"failure", nil, wire.Event{Kind: wire.KindError}},
	} {
		b := newBench()
		b.feed(t, c.before...)
		if err := b.Add(&c.last, refuse); !errors.Is(err, full) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	for name, w := range map[string]wire.Event{"held": inCall(0, 11), "unsent": unsentTX(0, 0)} {
		b := newBench()
		b.feed(t, w)
		if err := b.Flush(refuse); !errors.Is(err, full) {
			t.Errorf("flush of %s: got %v", name, err)
		}
	}
}

// A record whose sealing failed and was tried again has two payloads of one
// sequence: only the second is its plaintext.
func TestPayloadOfASecondTry(t *testing.T) {
	b := newBench()
	first, again, before := with(wire.FlagPayload, sent(1)), with(wire.FlagPayload, sent(1)), with(wire.FlagPayload, sent(0))
	again.Rec.Stamp[1]++
	b.submit(first, "stale")
	b.submit(before, "before")
	b.feed(t, before)
	b.submit(again, "fresh")
	b.feed(t, again)
	if got := string(b.got[1].(*event.Record).Payload); got != "fresh" {
		t.Errorf("payload %q, want that of the second try", got)
	}
}

// Payloads whose events were lost do not pile up.
func TestOrphansAreBounded(t *testing.T) {
	b := newBench()
	for seq := range uint64(3 * maxPayloads) {
		b.submit(sent(2*seq), "orphan")
		w := with(wire.FlagPayload, sent(2*seq+1))
		b.submit(w, "kept")
		b.feed(t, w)
	}
	if n := b.payloads.len(); n > maxPayloads {
		t.Errorf("%d payloads kept", n)
	}
}

// An error comes after the records that the failed call had opened.
func TestErrorKeepsTheOrder(t *testing.T) {
	b := newBench()
	b.feed(t, inCall(0, 1), inCall(1, 1), wire.Event{Kind: wire.KindError, Conn: 1, Dir: uint8(event.RX), Rec: wire.Rec{Seq: 2}})
	b.expect(t, "rx0.0 rx0.1 error")
}

// A payload that was announced and is missing is counted in its direction.
func TestDroppedPayload(t *testing.T) {
	b := newBench()
	b.feed(t, with(wire.FlagPayload, sent(1)), with(wire.FlagPayload, inCall(0, 1)), with(wire.FlagPayload, inCall(1, 1)))
	if n := b.Dropped(); n != [2]uint64{1, 2} {
		t.Errorf("%d are dropped, want 1 sent and 2 received", n)
	}
}

// The assembler decides what the kernel has not decided; a decision of the kernel stays.
func TestAssemblerJudges(t *testing.T) {
	e, err := match.Parse("len > 100 or payload contains secret or container == web")
	if err != nil {
		t.Fatal(err)
	}
	names := func(p *event.Process) {
		if p.CgroupID == 7 {
			p.Place = &event.Place{Container: "web"}
		}
	}
	for _, c := range []struct {
		name string
		w    wire.Event
		want bool
	}{
		{"undecided and right", wire.Event{Rec: wire.Rec{Len: 200}}, false},
		{"undecided and wrong", wire.Event{Rec: wire.Rec{Len: 20}}, true},
		{"decided", wire.Event{Rec: wire.Rec{Len: 20, Matched: 1}}, false},
		{"by the container", wire.Event{Cgroup: 7, Rec: wire.Rec{Len: 20}}, false},
		{"by the plaintext", wire.Event{Rec: wire.Rec{Len: 20, Hits: 1}}, false},
	} {
		a := New(func(func(wire.Payload) bool) error { return nil }, Options{Match: e, Names: names})
		w := c.w
		w.Kind, w.Conn, w.Dir = wire.KindRecord, 1, uint8(event.TX)
		w.Rec.Stamp = [4]uint64{1, 2, 3, 4}
		seen := false
		err := a.Add(&w, func(ev event.Event) error {
			seen = true
			if got := ev.(*event.Record).Unmatched; got != c.want {
				t.Errorf("%s: unmatched %v, want %v", c.name, got, c.want)
			}
			return nil
		})
		if err != nil || !seen {
			t.Errorf("%s: %v, seen %v", c.name, err, seen)
		}
	}
}

func FuzzAssembler(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(make([]byte, wire.EventSize-1))
	f.Add(bytes.Repeat([]byte{1, 2, 3, 4}, wire.EventSize/4))
	f.Add(bytes.Repeat([]byte{0xff}, wire.EventSize))
	for kind := range uint8(4) {
		w := wire.Event{Layout: wire.Layout, Proto: wire.ProtoTLS, Kind: kind, Dir: 1, Type: 21, Flags: wire.FlagControl | wire.FlagPayload}
		if kind == wire.KindSocket {
			w.AboutSocket().State = uint8(event.SocketClose)
		}
		f.Add(w.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var w wire.Event
		err := w.Decode(b)
		if (err != nil) != (len(b) < wire.EventSize || w.Layout != wire.Layout || w.Proto != wire.ProtoTLS) {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err != nil {
			return
		}
		out := 0
		count := func(event.Event) error { out++; return nil }
		a := New(func(func(wire.Payload) bool) error { return nil }, Options{})
		if err := a.Add(&w, count); err != nil {
			t.Fatal(err)
		}
		if err := a.Flush(count); err != nil {
			t.Fatal(err)
		}
		known := w.Kind == wire.KindRecord || w.Kind == wire.KindSocket || w.Kind == wire.KindError
		if known != (out == 1) {
			t.Fatalf("kind %d gave %d events", w.Kind, out)
		}
	})
}

// TestDatagramsWaitForNothing: a record that UDP did not take is reported at once, and no
// call holds back records that were read.
func TestDatagramsWaitForNothing(t *testing.T) {
	b := newBench()
	w := unsentTX(0, 5)
	w.Proto, w.Rec.Unsent, w.Rec.Err = wire.ProtoDTLS, 1, 90
	b.feed(t, w)
	if len(b.got) != 1 || !b.got[0].(*event.Record).Unsent || b.got[0].(*event.Record).Errno != 90 {
		t.Errorf("%+v", b.got)
	}
	b.take()
	b.feed(t, wire.Event{Kind: wire.KindDrop, Proto: wire.ProtoDTLS, Conn: 1})
	if _, ok := b.got[0].(*event.Drop); !ok || len(b.got) != 1 {
		t.Errorf("%+v", b.got)
	}
	b.expectEmpty(t)
}
