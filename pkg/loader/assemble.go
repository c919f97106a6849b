package loader

import (
	"cmp"
	"slices"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxHeld bounds the records of one connection that wait for their call to
// return. A call that opens more lets the oldest go without "deliver".
const maxHeld = 4096

// maxKept bounds the payloads whose records have not come yet.
const maxKept = 4 * maxHeld

// maxBytes bounds the plaintext of all that waits, of either kind.
const maxBytes = 64 << 20

// held is a record whose event is not complete yet.
type held struct {
	wire    wireEvent
	payload []byte
}

// assembler makes whole events of what the rings hold: it joins payloads to
// records, gives records opened by one call that call's return, and sorts
// what a closing connection never handed to TCP.
type assembler struct {
	// fetch reads the payload ring until keep says that it is enough.
	fetch func(keep func(wirePayload) (enough bool)) error

	payloads map[payloadKey][]byte
	// kept are the keys of payloads in the order they came. What is far behind
	// belongs to events that were lost.
	kept      []payloadKey
	keptBytes int
	heldBytes int
	// dropped counts payloads that the kernel sent and that were not there when
	// their records came.
	dropped uint64
	// aggregate: most records do not come as events (Config.Aggregate).
	aggregate bool
	// async holds what asynchronous crypto said of records: it comes between
	// a record and the return of the call that opened it.
	async  map[payloadKey]wireEvent
	opened map[uint64][]held // by connection
	unsent map[uint64][]held
	match  *match.Expr
	// container names that of a cgroup; nil if nobody can.
	container func(cgroupID uint64) string
	record    event.Record
}

func newAssembler(fetch func(func(wirePayload) bool) error) *assembler {
	return &assembler{fetch: fetch, payloads: map[payloadKey][]byte{}, async: map[payloadKey]wireEvent{},
		opened: map[uint64][]held{}, unsent: map[uint64][]held{}}
}

// add takes one event and calls out for each that is complete. The event
// passed to out is valid until out returns.
func (a *assembler) add(w *wireEvent, out func(event.Event) error) error {
	switch w.Kind {
	case kindRecord:
		return a.addRecord(w, out)
	case kindSocket:
		return a.addSocket(w, out)
	case kindError:
		return a.addError(w, out)
	case kindOpened:
		return a.addOpened(w, out)
	}
	return nil
}

func (a *assembler) addRecord(w *wireEvent, out func(event.Event) error) error {
	payload, err := a.payload(w)
	if err != nil {
		return err
	}
	switch {
	case w.Dir == uint8(event.TX) && w.Stamp[3] == 0 && w.Flags&flagPushed == 0:
		if a.heldBytes > maxBytes && payload != nil {
			a.dropped++
			payload = nil
		}
		a.unsent[w.Conn] = append(a.unsent[w.Conn], a.take(w, payload))
		return nil
	case w.Flags&flagReturnLater != 0:
		return a.hold(a.take(w, payload), out)
	case w.Dir == uint8(event.RX):
		if err := a.release(w.Conn, w, out); err != nil {
			return err
		}
	}
	return a.emit(w, payload, out)
}

// addError lets go first what the failed call had opened before: its return
// stays unknown.
func (a *assembler) addError(w *wireEvent, out func(event.Event) error) error {
	if w.Func == funcDecryptDone && !a.aggregate { // told in the place of the record
		return a.addOpened(w, out)
	}
	if w.Dir == uint8(event.RX) {
		if err := a.release(w.Conn, nil, out); err != nil {
			return err
		}
	}
	return out(w.failure())
}

func (a *assembler) addOpened(w *wireEvent, out func(event.Event) error) error {
	if len(a.async) >= maxKept {
		if err := a.forgetAsync(anyConn, out); err != nil {
			return err
		}
	}
	a.async[asyncKey(w)] = *w
	return nil
}

// asyncKey: the completion does not know when the record was taken up.
func asyncKey(w *wireEvent) payloadKey {
	key := w.key()
	key.begun = 0
	return key
}

// take counts what is about to wait.
func (a *assembler) take(w *wireEvent, payload []byte) held {
	a.heldBytes += len(payload)
	return held{*w, payload}
}

// letGo emits what has waited.
func (a *assembler) letGo(h *held, out func(event.Event) error) error {
	a.heldBytes -= len(h.payload)
	return a.emit(&h.wire, h.payload, out)
}

// hold keeps a record until its call returns.
func (a *assembler) hold(h held, out func(event.Event) error) error {
	waiting := append(a.opened[h.wire.Conn], h)
	for len(waiting) > maxHeld || a.heldBytes > maxBytes && len(waiting) > 0 {
		if err := a.letGo(&waiting[0], out); err != nil {
			return err
		}
		waiting = waiting[1:]
	}
	a.opened[h.wire.Conn] = waiting
	return nil
}

// release lets go what waits for a call of this connection to return. last is
// the record that brought the return, or nil; records of other tasks keep an
// unknown return.
func (a *assembler) release(conn uint64, last *wireEvent, out func(event.Event) error) error {
	waiting := a.opened[conn]
	if len(waiting) == 0 {
		return nil
	}
	delete(a.opened, conn)
	for i := range waiting {
		w := &waiting[i].wire
		if last != nil && w.PID == last.PID && w.TID == last.TID {
			w.Stamp[3], w.Op = last.Stamp[3], last.Op
		}
		if err := a.letGo(&waiting[i], out); err != nil {
			return err
		}
	}
	return nil
}

func (a *assembler) addSocket(w *wireEvent, out func(event.Event) error) error {
	if event.SocketState(w.State) == event.SocketClose {
		if err := a.forget(w.Conn, out); err != nil {
			return err
		}
	}
	return out(w.socket())
}

// forget lets go all that is held of a connection, in order.
func (a *assembler) forget(conn uint64, out func(event.Event) error) error {
	if err := a.release(conn, nil, out); err != nil {
		return err
	}
	unsent := a.unsent[conn]
	delete(a.unsent, conn)
	slices.SortFunc(unsent, func(x, y held) int {
		return cmp.Or(cmp.Compare(x.wire.Gen, y.wire.Gen), cmp.Compare(x.wire.Seq, y.wire.Seq))
	})
	for i := range unsent {
		if err := a.letGo(&unsent[i], out); err != nil {
			return err
		}
	}
	for k := range a.payloads {
		if k.conn == conn {
			a.discard(k)
		}
	}
	return a.forgetAsync(func(c uint64) bool { return c == conn }, out)
}

// forgetAsync drops the completions of records that were lost, but for what
// went wrong.
func (a *assembler) forgetAsync(of func(conn uint64) bool, out func(event.Event) error) error {
	for k, done := range a.async {
		if !of(k.conn) {
			continue
		}
		delete(a.async, k)
		if done.Kind != kindError {
			continue
		}
		if err := out(done.failure()); err != nil {
			return err
		}
	}
	return nil
}

func anyConn(uint64) bool { return true }

// flush lets go everything, at the end of a run.
func (a *assembler) flush(out func(event.Event) error) error {
	for conn := range a.opened {
		if err := a.forget(conn, out); err != nil {
			return err
		}
	}
	for conn := range a.unsent {
		if err := a.forget(conn, out); err != nil {
			return err
		}
	}
	return a.forgetAsync(anyConn, out)
}

func (a *assembler) emit(w *wireEvent, payload []byte, out func(event.Event) error) error {
	if w.Flags&flagAsync != 0 && w.Dir == uint8(event.RX) {
		return a.emitAsync(w, out)
	}
	return a.emitRecord(w, payload, out)
}

func (a *assembler) emitRecord(w *wireEvent, payload []byte, out func(event.Event) error) error {
	w.record(&a.record)
	a.record.Payload = payload
	a.judge(w)
	return out(&a.record)
}

// judge asks the expression where the kernel could not: it did not know the
// whole record yet, or the record was still in the making.
func (a *assembler) judge(w *wireEvent) {
	if a.match == nil || w.Matched != 0 {
		return
	}
	if a.container != nil {
		a.record.Proc.Container = a.container(a.record.Proc.CgroupID)
	}
	s := match.OfRecord(&a.record)
	s.Hits = &w.Hits
	a.record.Unmatched = a.match.Eval(&s) != match.Yes
}

// emitAsync gives an asynchronously opened record the time and the plaintext
// that came later, or tells that it could not be opened.
func (a *assembler) emitAsync(w *wireEvent, out func(event.Event) error) error {
	key := asyncKey(w)
	done, ok := a.async[key]
	if !ok {
		return a.emitRecord(w, nil, out)
	}
	delete(a.async, key)
	if done.Kind == kindError {
		failure := done.failure()
		failure.Taken, failure.Hidden, failure.Type = true, w.Hidden, event.ContentType(w.Type)
		return out(failure)
	}
	w.Stamp[2], w.Hits = done.Stamp[2], done.Hits
	done.Len = w.Len
	payload, err := a.payload(&done)
	if err != nil {
		return err
	}
	return a.emitRecord(w, payload, out)
}

// payload returns the plaintext of a record. It was submitted before the
// record's event, so that it is in its ring by now.
func (a *assembler) payload(w *wireEvent) ([]byte, error) {
	if w.Flags&flagPayload == 0 {
		return nil, nil
	}
	key := w.key()
	if _, ok := a.payloads[key]; !ok {
		err := a.fetch(func(p wirePayload) bool {
			a.keep(p)
			return p.key == key
		})
		if err != nil {
			return nil, err
		}
	}
	b, ok := a.payloads[key]
	if !ok {
		a.dropped++
	}
	a.discard(key)
	// A split record's payload was read before the split.
	return b[:min(len(b), int(w.Len))], nil
}

// reportDropped tells of payloads dropped since the last call.
func (a *assembler) reportDropped(out func(event.Event) error) error {
	if a.dropped == 0 {
		return nil
	}
	e := &event.Lost{Mono: Monotonic(), Cause: "payload_dropped", Count: a.dropped}
	a.dropped = 0
	return out(e)
}

func (a *assembler) keep(p wirePayload) {
	for len(a.kept) >= maxKept || a.keptBytes > maxBytes {
		a.discard(a.kept[0])
		a.kept = a.kept[1:]
	}
	a.discard(p.key)
	a.kept = append(a.kept, p.key)
	a.keptBytes += len(p.data)
	a.payloads[p.key] = append([]byte(nil), p.data...)
}

// discard forgets a payload that was taken, or that nobody will ask for.
func (a *assembler) discard(key payloadKey) {
	a.keptBytes -= len(a.payloads[key])
	delete(a.payloads, key)
}

func (w *wireEvent) key() payloadKey { return payloadKey{w.Conn, w.Seq, w.Stamp[1], w.Gen, w.Dir} }
