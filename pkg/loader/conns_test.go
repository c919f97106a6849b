package loader

import (
	"slices"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/assemble"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// atTheEnd is a backend whose hooks are gone.
type atTheEnd struct {
	backend
	conn  *wire.Conn
	aside []*wire.Event
}

func (b *atTheEnd) conns(visit func(*wire.Conn) error) error { return visit(b.conn) }

func (b *atTheEnd) eachPending(visit func(*wire.Event) error) error {
	for _, w := range b.aside {
		if err := visit(w); err != nil {
			return err
		}
	}
	return nil
}

// What was set aside knows how many records were hidden at that time only; the
// connection knows how many are by now. It is reported even where no connection is
// left, unless the filters hide it.
func TestUnfinished(t *testing.T) {
	rec := func(conn, seq, hidden uint64, dir event.Dir, flags uint8) wire.Event {
		return wire.Event{
			Kind: wire.KindRecord, Conn: conn, Dir: uint8(dir), Flags: flags,
			Rec: wire.Rec{Seq: seq, Hidden: hidden, Skipped: 9, Stamp: [4]uint64{1, 2, 3, 4}},
		}
	}
	aside, alone, hides := rec(7, 3, 1, event.TX, 0), rec(8, 5, 2, event.TX, 0), rec(7, 4, 1, event.TX, wire.FlagHidden)
	c := object.KtlsConn{Tx: object.KtlsEvent(rec(7, 6, 4, event.TX, 0)), Rx: object.KtlsEvent(rec(7, 2, 0, event.RX, 0)),
		TxState: 1, RxState: 2} // sealing and opened
	b := atTheEnd{conn: wire.ConnOf(&c), aside: []*wire.Event{&alone, &aside, &hides}}
	type reported struct {
		conn, seq, hidden, skipped uint64
		dir                        event.Dir
	}
	var got []reported
	tr := &Tracer{backend: &b, asm: assemble.New(nil, assemble.Options{})}
	err := tr.reportUnfinished(func(e event.Event) error {
		r := e.(*event.Record)
		got = append(got, reported{r.Conn.ID, r.Seq, r.Hidden, r.Skipped, r.Dir})
		return nil
	})
	want := []reported{{7, 3, 4, 0, event.TX}, {7, 6, 4, 0, event.TX}, {7, 2, 0, 0, event.RX}, {8, 5, 2, 0, event.TX}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, reported %+v, want %+v", err, got, want)
	}
}
