package loader

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/assemble"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// lossless is a backend that has lost nothing.
type lossless struct{ backend }

func (lossless) losses() (n lossCounts, err error) { return n, nil }

// A payload that was announced and is not there is a loss, reported once.
func TestDroppedPayloadIsReported(t *testing.T) {
	empty := func(func(wire.Payload) bool) error { return nil }
	tr := &Tracer{backend: lossless{}, asm: assemble.New(empty, assemble.Options{})}
	w := wire.Event{Kind: wire.KindRecord, Conn: 1, Dir: uint8(event.RX), Flags: wire.FlagPayload, Rec: wire.Rec{Len: 9, Stamp: [4]uint64{1, 2, 3, 4}}}
	if err := tr.asm.Add(&w, func(event.Event) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var reported []*event.Lost
	for range 2 {
		err := tr.Losses(func(e event.Event) error {
			reported = append(reported, e.(*event.Lost))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(reported) != 1 || reported[0].Count != 1 || reported[0].Cause != "payload_dropped" || !reported[0].HasDir || reported[0].Dir != event.RX {
		t.Errorf("reported %+v", reported)
	}
}

// A second Run would wait for events that cannot come.
func TestRunWorksOnce(t *testing.T) {
	tr := &Tracer{backend: lossless{}, end: time.Now()}
	if err := tr.Run(context.Background(), nil, nil); !errors.Is(err, errRun) {
		t.Errorf("a second Run returns %v", err)
	}
}
