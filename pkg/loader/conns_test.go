package loader

import (
	"slices"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/assemble"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// atTheEnd is a backend whose hooks are gone.
type atTheEnd struct {
	backend
	maps map[string][][]byte
}

func (b *atTheEnd) each(name string, visit func([]byte) error) error {
	for _, v := range b.maps[name] {
		if err := visit(v); err != nil {
			return err
		}
	}
	return nil
}

// What was set aside knows how many records were hidden at that time only; the
// connection knows how many are by now. It is told even where no connection is
// left, unless the filters hide it.
func TestUnfinished(t *testing.T) {
	rec := func(conn, seq, hidden uint64, dir event.Dir, flags uint8) wire.Event {
		return wire.Event{Kind: wire.KindRecord, Conn: conn, Dir: uint8(dir), Seq: seq, Hidden: hidden, Flags: flags, Skipped: 9,
			Stamp: [4]uint64{1, 2, 3, 4}}
	}
	var b atTheEnd
	aside, alone, hides := rec(7, 3, 1, event.TX, 0), rec(8, 5, 2, event.TX, 0), rec(7, 4, 1, event.TX, wire.FlagHidden)
	var c wire.Conn
	*c.TX(), *c.RX() = rec(7, 6, 4, event.TX, 0), rec(7, 2, 0, event.RX, 0)
	c.TxState, c.RxState = 1, 2 // sealing and opened
	b.maps = map[string][][]byte{"pending": {alone.Bytes(), aside.Bytes(), hides.Bytes()}, "conns": {c.Bytes()}}
	type told struct {
		conn, seq, hidden, skipped uint64
		dir                        event.Dir
	}
	var got []told
	tr := &Tracer{backend: &b, asm: assemble.New(nil, assemble.Options{})}
	err := tr.unfinished(func(e event.Event) error {
		r := e.(*event.Record)
		got = append(got, told{r.Conn.ID, r.Seq, r.Hidden, r.Skipped, r.Dir})
		return nil
	})
	want := []told{{7, 3, 4, 0, event.TX}, {7, 6, 4, 0, event.TX}, {7, 2, 0, 0, event.RX}, {8, 5, 2, 0, event.TX}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, told %+v, want %+v", err, got, want)
	}
}
