// Package assemble makes complete events of the parts that the kernel reports: a record, its
// plaintext, the completion of asynchronous crypto, and the return of its call. It knows
// neither rings nor programs. It bounds what must wait, and passes everything else on at once.
package assemble

import (
	"cmp"
	"slices"

	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// maxHeld bounds the records of one connection that asynchronous crypto decrypts and that wait
// for their call to return. If a call decrypts more, the oldest is reported without the stage
// deliver.
const maxHeld = 4096

// maxWaiting bounds the records of all connections that wait for their call to return, or for
// their connection to close. At the limit the idlest connection is evicted: its close was
// lost, or its call hangs.
const maxWaiting = 16 * maxHeld

// maxPayloads bounds the payloads whose records have not come yet.
const maxPayloads = 4 * maxHeld

// maxBack bounds the held data of connections that have not been found yet. More than one for
// each processor belong to events that were lost.
const maxBack = 4096

// maxBytes bounds the plaintext of everything that waits.
const maxBytes = 64 << 20

// held is a record whose event is not complete yet.
type held struct {
	wire    wire.Event
	payload []byte
}

// Options configure an Assembler.
type Options struct {
	// Match, if not nil, is evaluated for records for which the kernel could not evaluate
	// it. Names, if not nil, sets the names of their processes before that.
	Match *match.Expr
	Names func(*event.Process)
	// Driver, if not nil, returns the driver that the programs noted at a place, counted from 1.
	Driver func(place uint8) event.Driver
	// User, if not nil, returns the part of the kernel at a place, counted from 1.
	User func(place uint16) string
	// Aggregate reports that the kernel adds records up, and that most are not reported.
	Aggregate bool
}

// Assembler makes complete events of the contents of the rings: it joins payloads to records,
// adds the return of their call to records that were decrypted asynchronously, and sorts the
// records that a closing connection never handed to TCP. It must be used by one goroutine.
type Assembler struct {
	options Options
	fetch   func(keep func(wire.Payload) (enough bool)) error

	// payloads are those that came before their records. Old ones belong to events that
	// were lost.
	payloads     *waitlist[[]byte]
	payloadBytes int
	heldBytes    int
	// dropped counts payloads that the kernel sent and that were missing when their records
	// came.
	dropped [2]uint64
	// incomplete counts records that could not wait until they were complete.
	incomplete uint64
	// async holds completions of asynchronous crypto, which come between a record and the
	// return of the call that decrypted it.
	async *waitlist[wire.Event]
	// conns are the connections with waiting records, and waits is the number of these
	// records.
	conns  *lru.Map[uint64, waiting]
	waits  int
	record event.Record
	// back is the held data of connections that are about to be found: the next event of the
	// same program finds them.
	back map[uint64]*event.Held
}

// waiting holds the waiting records of one connection: decrypted records until their call
// returns, with those after them, and encrypted records that TCP does not have.
type waiting struct{ opened, unsent []held }

// New returns an empty Assembler. fetch reads the payload ring until keep returns true, or
// until the ring is empty.
func New(fetch func(keep func(wire.Payload) (enough bool)) error, o Options) *Assembler {
	return &Assembler{options: o, fetch: fetch, payloads: newWaitlist[[]byte](), async: newWaitlist[wire.Event](),
		conns: lru.New[uint64, waiting](maxWaiting), back: map[uint64]*event.Held{}}
}

// Add processes one event and calls out for each event that is complete. The event passed to
// out is valid until out returns. The error is that of out.
func (a *Assembler) Add(w *wire.Event, out func(event.Event) error) error {
	switch w.Kind {
	case wire.KindRecord:
		return a.addRecord(w, out)
	case wire.KindSocket:
		return a.addSocket(w, out)
	case wire.KindError:
		return a.addError(w, out)
	case wire.KindOpened:
		return a.addOpened(w, out)
	case wire.KindHeld:
		a.addHeld(w)
	case wire.KindDrop:
		return out(w.Drop())
	case wire.KindCard:
		s := w.SocketOfCard()
		s.Conn.KernelUser = a.user(w)
		return out(s)
	}
	return nil
}

// addHeld keeps the held data of a connection until the connection is found. That it waits for
// a key is reported then, too.
func (a *Assembler) addHeld(w *wire.Event) {
	if len(a.back) == maxBack {
		clear(a.back)
	}
	if h := w.Held(); h.OpenBytes > 0 || h.Incomplete > 0 || h.Unread > 0 {
		a.back[w.Conn] = h
	}
}

func (a *Assembler) addRecord(w *wire.Event, out func(event.Event) error) error {
	payload, err := a.payload(w)
	if err != nil {
		return err
	}
	switch {
	case w.Dir == uint8(event.TX) && w.Rec.Stamp[3] == 0 && w.Flags&wire.FlagPushed == 0 && w.Proto != wire.ProtoDTLS: // a datagram waits for nothing
		if a.heldBytes > maxBytes && payload != nil {
			a.dropped[event.TX]++
			payload = nil
		}
		return a.wait(w, payload, out)
	case w.Flags&wire.FlagReturnLater != 0 && (w.Rec.Stamp[3] == 0 || a.holds(w.Conn)):
		return a.hold(w, payload, out)
	case w.Dir == uint8(event.RX):
		if err := a.release(w.Conn, w, out); err != nil {
			return err
		}
	}
	return a.emit(w, payload, out)
}

// addError first reports the records that the failed call had decrypted: its return stays
// unknown.
func (a *Assembler) addError(w *wire.Event, out func(event.Event) error) error {
	if w.AboutFailure().Func == wire.FuncDecryptDone && !a.options.Aggregate { // told in the place of the record
		return a.addOpened(w, out)
	}
	if w.Dir == uint8(event.RX) {
		if err := a.release(w.Conn, nil, out); err != nil {
			return err
		}
	}
	return out(a.failure(w))
}

// failure returns the error of w, of a KindError.
func (a *Assembler) failure(w *wire.Event) *event.Error {
	e := w.Failure()
	e.Conn.KernelUser = a.user(w)
	return e
}

// user returns the part of the kernel that owns the socket of w.
func (a *Assembler) user(w *wire.Event) string {
	if place := w.User(); place != 0 && a.options.User != nil {
		return a.options.User(place)
	}
	return ""
}

func (a *Assembler) addOpened(w *wire.Event, out func(event.Event) error) error {
	for a.async.len() >= maxPayloads {
		done, _ := a.async.popOldest()
		a.incomplete++
		if err := a.reportOrphan(&done, out); err != nil {
			return err
		}
	}
	a.async.put(asyncKey(w), *w)
	return nil
}

// asyncKey leaves the time out, since the completion does not know when the record was taken
// up.
func asyncKey(w *wire.Event) wire.PayloadKey {
	key := w.Key()
	if w.Kind == wire.KindError {
		key.Seq = w.AboutFailure().Seq
	}
	key.Begun = 0
	return key
}

// evict reports the records of the idlest connections until there is room for one more of
// this connection.
func (a *Assembler) evict(conn uint64, out func(event.Event) error) error {
	a.conns.Get(conn) // not idle
	for a.waits >= maxWaiting {
		idlest, all, _ := a.conns.Idlest()
		a.incomplete += uint64(len(all.opened) + len(all.unsent))
		if err := a.empty(idlest, out); err != nil {
			return err
		}
	}
	return nil
}

// reserve counts a record that is about to wait.
func (a *Assembler) reserve(w *wire.Event, payload []byte) held {
	a.heldBytes += len(payload)
	a.waits++
	return held{*w, payload}
}

// emitAll emits what has waited, in order.
func (a *Assembler) emitAll(waited []held, out func(event.Event) error) error {
	for i := range waited {
		a.heldBytes -= len(waited[i].payload)
		a.waits--
		if err := a.emit(&waited[i].wire, waited[i].payload, out); err != nil {
			return err
		}
	}
	return nil
}

// wait keeps a record that TCP does not have until its connection closes.
func (a *Assembler) wait(w *wire.Event, payload []byte, out func(event.Event) error) error {
	if err := a.evict(w.Conn, out); err != nil {
		return err
	}
	c, _ := a.conns.Peek(w.Conn)
	c.unsent = append(c.unsent, a.reserve(w, payload))
	a.conns.Put(w.Conn, c)
	return nil
}

// holds reports whether a record of this connection waits. Those after it wait too, to stay in
// order.
func (a *Assembler) holds(conn uint64) bool {
	c, _ := a.conns.Peek(conn)
	return len(c.opened) > 0
}

// hold keeps a record until its call returns.
func (a *Assembler) hold(w *wire.Event, payload []byte, out func(event.Event) error) error {
	if err := a.evict(w.Conn, out); err != nil {
		return err
	}
	c, _ := a.conns.Peek(w.Conn)
	c.opened = append(c.opened, a.reserve(w, payload))
	for len(c.opened) > maxHeld || a.heldBytes > maxBytes && len(c.opened) > 0 {
		a.incomplete++
		if err := a.emitAll(c.opened[:1], out); err != nil {
			return err
		}
		c.opened = c.opened[1:]
	}
	a.put(w.Conn, c)
	return nil
}

// put remembers a connection while it has records waiting.
func (a *Assembler) put(conn uint64, c waiting) {
	if len(c.opened)+len(c.unsent) == 0 {
		a.conns.Delete(conn)
		return
	}
	a.conns.Put(conn, c)
}

// release reports the records of this connection that wait for a call to return. last is the
// record that brought the return, or nil. Records of other tasks keep an unknown return.
func (a *Assembler) release(conn uint64, last *wire.Event, out func(event.Event) error) error {
	c, _ := a.conns.Peek(conn)
	opened := c.opened
	if len(opened) == 0 {
		return nil
	}
	c.opened = nil
	a.put(conn, c)
	for i := range opened {
		w := &opened[i].wire
		if last != nil && w.Rec.Stamp[3] == 0 && w.Pid == last.Pid && w.Tid == last.Tid {
			w.Rec.Stamp[3] = last.Rec.Stamp[3]
		}
	}
	return a.emitAll(opened, out)
}

func (a *Assembler) addSocket(w *wire.Event, out func(event.Event) error) error {
	if event.SocketState(w.AboutSocket().State) == event.SocketClose {
		if err := a.forget(w.Conn, out); err != nil {
			return err
		}
	}
	s := w.Socket()
	s.Conn.KernelUser = a.user(w)
	for d, place := range w.AboutSocket().Driver {
		if place != 0 && a.options.Driver != nil {
			s.Drivers[d] = a.options.Driver(place)
		}
	}
	if s.State == event.SocketFound {
		s.Held = a.back[w.Conn]
		delete(a.back, w.Conn)
	}
	return out(s)
}

// Release reports the records of a connection that wait for a call whose return will not come.
func (a *Assembler) Release(conn uint64, out func(event.Event) error) error {
	return a.release(conn, nil, out)
}

// empty reports the waiting records of a connection, in order.
func (a *Assembler) empty(conn uint64, out func(event.Event) error) error {
	if err := a.release(conn, nil, out); err != nil {
		return err
	}
	c, _ := a.conns.Delete(conn)
	slices.SortFunc(c.unsent, func(x, y held) int {
		return cmp.Or(cmp.Compare(x.wire.Gen, y.wire.Gen), cmp.Compare(x.wire.Rec.Seq, y.wire.Rec.Seq))
	})
	return a.emitAll(c.unsent, out)
}

// forget removes everything that is kept of a connection.
func (a *Assembler) forget(conn uint64, out func(event.Event) error) error {
	if err := a.empty(conn, out); err != nil {
		return err
	}
	for b, ok := a.payloads.popFirst(conn); ok; b, ok = a.payloads.popFirst(conn) {
		a.payloadBytes -= len(b)
	}
	for done, ok := a.async.popFirst(conn); ok; done, ok = a.async.popFirst(conn) {
		if err := a.reportOrphan(&done, out); err != nil {
			return err
		}
	}
	return nil
}

// reportOrphan reports a completion whose record was lost, if it failed.
func (a *Assembler) reportOrphan(done *wire.Event, out func(event.Event) error) error {
	if done.Kind != wire.KindError {
		return nil
	}
	return out(a.failure(done))
}

// Flush reports everything that waits, at the end of a run.
func (a *Assembler) Flush(out func(event.Event) error) error {
	for conn := range a.conns.All() {
		if err := a.empty(conn, out); err != nil {
			return err
		}
	}
	for done, ok := a.async.popOldest(); ok; done, ok = a.async.popOldest() {
		if err := a.reportOrphan(&done, out); err != nil {
			return err
		}
	}
	return nil
}

func (a *Assembler) emit(w *wire.Event, payload []byte, out func(event.Event) error) error {
	if w.Flags&wire.FlagAsync != 0 && w.Dir == uint8(event.RX) {
		return a.emitAsync(w, out)
	}
	return a.emitRecord(w, payload, out)
}

func (a *Assembler) emitRecord(w *wire.Event, payload []byte, out func(event.Event) error) error {
	w.Record(&a.record)
	a.record.Conn.KernelUser = a.user(w)
	a.record.Payload = payload
	a.applyMatch(w)
	return out(&a.record)
}

// applyMatch evaluates the expression if the kernel could not: it did not know the whole record
// yet, or the record was still in progress.
func (a *Assembler) applyMatch(w *wire.Event) {
	if a.options.Match == nil || w.Rec.Matched != 0 {
		return
	}
	if a.options.Names != nil {
		a.options.Names(&a.record.Proc)
	}
	s := match.OfRecord(&a.record)
	if w.Proto != wire.ProtoDTLS { // whose programs do not look into plaintexts
		s.Hits = &w.Rec.Hits
	}
	a.record.Unmatched = a.options.Match.Eval(&s) != match.Yes
}

// emitAsync adds the time and the plaintext that came later to a record that was decrypted
// asynchronously, or reports that its decryption failed.
func (a *Assembler) emitAsync(w *wire.Event, out func(event.Event) error) error {
	done, ok := a.async.pop(asyncKey(w))
	if !ok {
		return a.emitRecord(w, nil, out)
	}
	if done.Kind == wire.KindError {
		failure := a.failure(&done)
		failure.Consumed, failure.Hidden, failure.Type = true, w.Rec.Hidden, event.ContentType(w.Type)
		return out(failure)
	}
	w.Rec.Stamp[2], w.Rec.Hits = done.Rec.Stamp[2], done.Rec.Hits
	done.Rec.Len = w.Rec.Len
	payload, err := a.payload(&done)
	if err != nil {
		return err
	}
	return a.emitRecord(w, payload, out)
}

// payload returns the plaintext of a record. It was submitted before the
// record's event, so that it is in its ring by now.
func (a *Assembler) payload(w *wire.Event) ([]byte, error) {
	if w.Flags&wire.FlagPayload == 0 {
		return nil, nil
	}
	key := w.Key()
	if !a.payloads.has(key) {
		err := a.fetch(func(p wire.Payload) bool {
			a.keepPayload(p)
			return p.Key == key
		})
		if err != nil {
			return nil, err
		}
	}
	b, ok := a.payloads.pop(key)
	if !ok {
		a.dropped[w.Dir&1]++
	}
	a.payloadBytes -= len(b)
	// A split record's payload was read before the split.
	return b[:min(len(b), int(w.Rec.Len))], nil
}

// Dropped returns how many payloads were announced in the whole run, and were dropped or
// missing when their records came, by direction.
func (a *Assembler) Dropped() [2]uint64 { return a.dropped }

// Incomplete returns an upper bound of how many records were reported in the whole run without
// their last times, because there was no room to wait for them.
func (a *Assembler) Incomplete() uint64 { return a.incomplete }

func (a *Assembler) keepPayload(p wire.Payload) {
	for a.payloads.len() >= maxPayloads || a.payloadBytes > maxBytes {
		old, _ := a.payloads.popOldest()
		a.payloadBytes -= len(old)
	}
	before, _ := a.payloads.pop(p.Key)
	a.payloadBytes += len(p.Data) - len(before)
	a.payloads.put(p.Key, append([]byte(nil), p.Data...))
}
