//go:build linux && (amd64 || arm64)

package loader

import (
	"errors"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// reportUnfinished reports the records that were encrypted or decrypted when the hooks were
// detached, and whose push or whose call had not ended.
func (t *Tracer) reportUnfinished(handle func(event.Event) error) error {
	waiting, err := t.pending()
	if err != nil {
		return err
	}
	err = t.conns(func(conn *wire.Conn) error {
		tx := &conn.TX
		last := waiting[tx.Conn]
		delete(waiting, tx.Conn)
		for i := range last {
			last[i].Rec.Hidden = tx.Rec.Hidden // what it holds is of the time when it was set aside
		}
		if conn.Sealed() {
			last = append(last, *tx)
		}
		if conn.Opened() {
			last = append(last, conn.RX)
		}
		if err := t.addUnfinished(last, handle); err != nil {
			return err
		}
		return nil
	})
	for _, last := range waiting { // of connections whose end no hook saw
		err = errors.Join(err, t.addUnfinished(last, handle))
	}
	return err
}

// pending returns, by connection, the encrypted records that wait for TCP while others have
// followed them.
func (t *Tracer) pending() (map[uint64][]wire.Event, error) {
	waiting := map[uint64][]wire.Event{}
	err := t.eachPending(func(w *wire.Event) error {
		waiting[w.Conn] = append(waiting[w.Conn], *w)
		return nil
	})
	return waiting, err
}

// addUnfinished reports those of the records that pass the filters. If the kernel adds
// records up, it adds them to the sums and reports only what Run would have reported.
func (t *Tracer) addUnfinished(records []wire.Event, handle func(event.Event) error) error {
	for i := range records {
		w := &records[i]
		if w.Flags&wire.FlagHidden != 0 {
			continue
		}
		w.Rec.Skipped = 0 // what it holds is of the record before
		plain := t.sums != nil && w.Rec.Weight == 0
		if t.sums != nil {
			if err := t.sums.Add(w); err != nil {
				return err
			}
			if (w.Conn != t.streamed || plain) && event.ContentType(w.Type) == event.ApplicationData {
				continue
			}
			w.ForgetUnmeasured()
		}
		if err := t.asm.Add(w, handle); err != nil {
			return err
		}
	}
	return nil
}

// Connections returns the connections that are open now. The caller owns the events. It is
// meant to be compared with the events of a finished Run: NextTX and NextRX then no longer
// change. While Run runs, they may be a record ahead of its events.
func (t *Tracer) Connections() ([]*event.Socket, error) {
	var all []*event.Socket
	err := t.conns(func(conn *wire.Conn) error {
		s := conn.Socket(Monotonic())
		s.Conn.KernelUser = t.users().at(conn.TX.User())
		all = append(all, s)
		return nil
	})
	if err != nil || t.dtls == nil {
		return all, err
	}
	more, err := t.dtls.connections()
	return append(all, more...), err
}
