package assemble

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// traffic is one connection as the programs report it. Each step appends the output of
// one system call.
type traffic struct {
	rng  *rand.Rand
	conn uint64
	gen  [2]uint32
	seq  [2]uint64

	// The output, and for each record when its call returned.
	written []wire.Event
	want    map[wire.PayloadKey]uint64
	unsent  []wire.Event
}

func (c *traffic) record(dir event.Dir, task uint32) wire.Event {
	w := wire.Event{
		Kind: wire.KindRecord, Conn: c.conn, Dir: uint8(dir), Gen: c.gen[dir], Pid: 1, Tid: task,
		Rec: wire.Rec{Seq: c.seq[dir], Len: 1 + c.rng.Uint32N(40), Stamp: [4]uint64{1, 2, 3, 0}},
	}
	if c.rng.IntN(2) == 0 {
		w.Flags |= wire.FlagPayload
	}
	c.seq[dir]++
	c.want[w.Key()] = 0
	return w
}

func (c *traffic) send() {
	w := c.record(event.TX, 1)
	w.Rec.Stamp[3] = 10 + c.rng.Uint64N(1000)
	c.want[w.Key()] = w.Rec.Stamp[3]
	c.written = append(c.written, w)
}

// receive is a call that opens some records; another task may interrupt it between two
// of them, and open some itself.
func (c *traffic) receive(task uint32) {
	at := 10 + c.rng.Uint64N(1000)
	n := 1 + c.rng.IntN(4)
	for i := range n {
		w := c.record(event.RX, task)
		if i < n-1 || task == 1 && c.rng.IntN(8) == 0 {
			w.Flags |= wire.FlagReturnLater
			if c.rng.IntN(2) == 0 { // else asynchronous crypto opens it
				w.Rec.Stamp[3] = 4 + c.rng.Uint64N(6)
				c.want[w.Key()] = w.Rec.Stamp[3]
			}
			c.written = append(c.written, w)
			continue
		}
		w.Rec.Stamp[3] = at
		c.written = append(c.written, w)
		c.returns(task, at)
		return
	}
	c.receive(task + 1)
}

// returns records that a call's last record has its return: this applies to all waiting
// records of the task, since the last record that was not held.
func (c *traffic) returns(task uint32, at uint64) {
	for i := len(c.written) - 1; i >= 0; i-- {
		w := c.written[i]
		if w.Dir == uint8(event.TX) {
			continue
		}
		if i < len(c.written)-1 && w.Flags&wire.FlagReturnLater == 0 {
			return
		}
		if w.Tid == task && w.Rec.Stamp[3] == 0 || i == len(c.written)-1 {
			c.want[w.Key()] = at
		}
	}
}

// end leaves records that never reached TCP, in any order, and calls that never
// returned.
func (c *traffic) end() {
	for range c.rng.IntN(5) {
		c.unsent = append(c.unsent, c.record(event.TX, 1))
		if c.rng.IntN(4) == 0 {
			c.gen[event.TX]++
			c.seq[event.TX] = 0
		}
	}
	c.rng.Shuffle(len(c.unsent), func(i, j int) { c.unsent[i], c.unsent[j] = c.unsent[j], c.unsent[i] })
	for range c.rng.IntN(3) {
		w := c.record(event.RX, 1)
		w.Flags |= wire.FlagReturnLater
		c.written = append(c.written, w)
	}
	c.written = append(c.written, c.unsent...)
	if c.rng.IntN(2) == 0 {
		c.written = append(c.written, ofConn(c.conn, socketEvent(event.SocketClose)))
	}
}

func newTraffic(rng *rand.Rand, conn uint64, steps int) *traffic {
	c := &traffic{rng: rng, conn: conn, want: map[wire.PayloadKey]uint64{}}
	for range steps {
		switch rng.IntN(6) {
		case 0:
			dir := rng.IntN(2)
			c.gen[dir]++
			c.seq[dir] = 0
		case 1, 2:
			c.send()
		default:
			c.receive(1)
		}
	}
	c.end()
	return c
}

func plaintext(k wire.PayloadKey, n uint32) string {
	return fmt.Sprintf("%-*.*s", n, n, fmt.Sprint(k))
}

// For every interleaving, every record is reported once, in the order of its connection
// and direction, with its own payload and its own call's return.
func TestAssemblerProperty(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		b := newBench()
		want := map[wire.PayloadKey]uint64{}
		in := map[wire.PayloadKey]wire.Event{}
		var all []*traffic
		for i := range 1 + rng.IntN(5) {
			c := newTraffic(rng, uint64(i)+1, rng.IntN(40))
			all = append(all, c)
			for k, v := range c.want {
				want[k] = v
			}
		}
		for len(all) > 0 {
			i := rng.IntN(len(all))
			c := all[i]
			if len(c.written) == 0 {
				all = append(all[:i], all[i+1:]...)
				continue
			}
			w := c.written[0]
			c.written = c.written[1:]
			if w.Flags&wire.FlagPayload != 0 {
				b.submit(w, plaintext(w.Key(), w.Rec.Len))
			}
			if w.Kind == wire.KindRecord {
				in[w.Key()] = w
			}
			b.feed(t, w)
		}
		if err := b.Flush(b.out); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
		b.expectEmpty(t)
		checkOutput(t, seed, b.got, want, in)
	}
}

func checkOutput(t *testing.T, seed uint64, got []event.Event, want map[wire.PayloadKey]uint64, in map[wire.PayloadKey]wire.Event) {
	t.Helper()
	type stream struct {
		conn uint64
		dir  event.Dir
	}
	last := map[stream]*event.Record{}
	for _, e := range got {
		r, ok := e.(*event.Record)
		if !ok {
			continue
		}
		key := wire.PayloadKey{Conn: r.Conn.ID, Seq: r.Seq, Begun: 2, Gen: r.Gen, Dir: uint8(r.Dir)}
		returned, ok := want[key]
		if !ok {
			t.Fatalf("seed %d: record %v was never made, or came twice", seed, key)
		}
		delete(want, key)
		s := stream{r.Conn.ID, r.Dir}
		if p := last[s]; p != nil && (r.Gen < p.Gen || r.Gen == p.Gen && r.Seq != p.Seq+1) {
			t.Fatalf("seed %d: record %v follows %d of generation %d", seed, key, p.Seq, p.Gen)
		}
		last[s] = r
		if deliver := wire.Span(3, returned); r.Lat.Stage[2] != deliver {
			t.Fatalf("seed %d: record %v was handed on in %d, want %d", seed, key, r.Lat.Stage[2], deliver)
		}
		payload := ""
		if w := in[key]; w.Flags&wire.FlagPayload != 0 {
			payload = plaintext(key, w.Rec.Len)
		}
		if string(r.Payload) != payload {
			t.Fatalf("seed %d: record %v has %q, want %q", seed, key, r.Payload, payload)
		}
	}
	for key := range want {
		t.Fatalf("seed %d: record %v never came out", seed, key)
	}
}
