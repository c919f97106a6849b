//go:build linux && (amd64 || arm64)

package loader

import (
	"errors"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// reportUnfinished reports the records that were sealed or opened when the hooks
// went away, and whose push or whose call had not ended yet.
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

// pending are the sealed records that others have followed, by connection.
func (t *Tracer) pending() (map[uint64][]wire.Event, error) {
	waiting := map[uint64][]wire.Event{}
	err := t.eachPending(func(w *wire.Event) error {
		waiting[w.Conn] = append(waiting[w.Conn], *w)
		return nil
	})
	return waiting, err
}

// addUnfinished tells of those records that the filters want, and counts them
// where the kernel adds records up: most are not told then.
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

// Connections returns the connections that are open now, as the caller's own. It is
// meant for the end, to compare with what Run has told: after Run their NextTX and
// NextRX stand still, before they may be a record ahead of it.
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
