package loader

import (
	"encoding/binary"
	"errors"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Offsets in struct conn of bpf/ktls_conn.h; a test compares them with the
// object's BTF.
const (
	connSize    = 656
	connRX      = eventSize
	connSK      = 2 * eventSize
	connPending = 592
	connRXState = connPending + 4
	connTXState = connRXState + 5
	connKeyed   = connTXState + 3
	connSampled = 616 // struct sampled of tx and rx

	sampledSize    = 16
	sampledSkipped = 8

	txSealing = 1
	rxOpening = 1
	rxOpened  = 2
	rxStates  = 3 // of rx_state's first byte; the rest is a ticket
)

// unfinished reports the records that were sealed or opened when the hooks
// went away, and whose push or whose call had not ended yet.
func (t *Tracer) unfinished(handle func(event.Event) error) error {
	waiting, err := t.pending()
	if err != nil {
		return err
	}
	err = t.each("conns", func(c []byte) error {
		var tx, rx wireEvent
		if err := errors.Join(tx.decode(c), rx.decode(c[connRX:])); err != nil {
			return err
		}
		last := waiting[tx.Conn]
		delete(waiting, tx.Conn)
		for i := range last {
			last[i].Hidden = tx.Hidden // what it holds is of the time when it was set aside
		}
		if sealed(c) {
			last = append(last, tx)
		}
		if rxState(c) == rxOpened {
			last = append(last, rx)
		}
		return t.addUnfinished(last, handle)
	})
	for _, last := range waiting { // of connections whose end no hook saw
		err = errors.Join(err, t.addUnfinished(last, handle))
	}
	return err
}

// pending are the sealed records that others have followed, by connection.
func (t *Tracer) pending() (map[uint64][]wireEvent, error) {
	waiting := map[uint64][]wireEvent{}
	err := t.each("pending", func(e []byte) error {
		var w wireEvent
		if err := w.decode(e); err != nil {
			return err
		}
		waiting[w.Conn] = append(waiting[w.Conn], w)
		return nil
	})
	return waiting, err
}

// addUnfinished tells of those records that the filters want, and counts them
// where the kernel adds records up: most are not told then.
func (t *Tracer) addUnfinished(records []wireEvent, handle func(event.Event) error) error {
	for i := range records {
		w := &records[i]
		if w.Flags&flagHidden != 0 {
			continue
		}
		w.Skipped = 0 // what it holds is of the record before
		if t.sampler != nil {
			if err := t.sampler.add(w); err != nil {
				return err
			}
			if w.Conn != t.streamed && event.ContentType(w.Type) == event.ApplicationData {
				continue
			}
		}
		if err := t.asm.add(w, handle); err != nil {
			return err
		}
	}
	return nil
}

// sealed: the record in the making has got its seal, but not TCP's word.
func sealed(c []byte) bool {
	return c[connTXState] == txSealing && binary.NativeEndian.Uint64(c[16:]) != 0
}

func rxState(c []byte) byte { return c[connRXState] & rxStates }

// Connections returns the connections that are open now. NextTX and NextRX
// are right when the tracer is detached, that is after Run.
func (t *Tracer) Connections() ([]*event.Socket, error) {
	var all []*event.Socket
	err := t.each("conns", func(c []byte) error {
		var tx, rx wireEvent
		if err := tx.decode(c); err != nil {
			return err
		}
		if err := rx.decode(c[connRX:]); err != nil {
			return err
		}
		all = append(all, connSocket(&tx, &rx, c))
		return nil
	})
	return all, err
}

func connSocket(tx, rx *wireEvent, c []byte) *event.Socket {
	s := &event.Socket{
		State: event.SocketFound, Conn: tx.conn(), Proc: tx.process(), Mono: Monotonic(),
		TX: tx.tls(tx.Mode), RX: rx.tls(rx.Mode), GenTX: tx.Gen, GenRX: rx.Gen,
		NextTX: next(tx, c[connTXState] == txSealing && !sealed(c)), NextRX: next(rx, rxState(c) == rxOpening || unopened(rx)),
		Hidden: [2]uint64{tx.Hidden + unreported(tx, sealed(c)), rx.Hidden + unreported(rx, rxState(c) == rxOpened)},
		Start:  &[2]uint64{tx.Start, rx.Start}, Skipped: [2]uint64{skipped(c, event.TX), skipped(c, event.RX)},
	}
	if c[connKeyed] == 0 {
		s.TX = event.TLS{}
	}
	if c[connKeyed+1] == 0 {
		s.RX = event.TLS{}
	}
	if s.Proc.PID == 0 {
		s.Proc = rx.process()
	}
	return s
}

// skipped is what sampling left out and no record stands for.
func skipped(c []byte, d event.Dir) uint64 {
	return uint64(binary.NativeEndian.Uint32(c[connSampled+int(d)*sampledSize+sampledSkipped:]))
}

// unreported is 1 for a record that the filters hide and that was finished but
// not told when the hooks went away: it is not counted as hidden yet.
func unreported(w *wireEvent, finished bool) uint64 {
	if finished && w.Flags&flagHidden != 0 {
		return 1
	}
	return 0
}

// unopened: the last attempt to open a record failed, and the next will be at
// the same. What asynchronous crypto opens is counted before it is.
func unopened(w *wireEvent) bool { return w.Stamp[2] == 0 && w.Flags&flagAsync == 0 }

// next is the sequence after that of w, unless w is still being made.
func next(w *wireEvent, unfinished bool) uint64 {
	if w.Kind == kindRecord && !unfinished {
		return w.Seq + 1
	}
	return max(w.Seq, w.Start)
}
