// Package recording reads, for tests, the output of `ktlstop trace -o json -s 16384`
// for real programs, compressed with gzip.
package recording

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Events returns the events of a file, in order.
func Events(t testing.TB, name string) []event.Event {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var all []event.Event
	for r := source.NewReader(z); ; {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, ev)
	}
}

// Records returns the records of application data of a file, by connection.
func Records(t testing.TB, name string) map[uint64][]*event.Record {
	t.Helper()
	by := map[uint64][]*event.Record{}
	for _, ev := range Events(t, name) {
		if r, ok := ev.(*event.Record); ok && r.Type == event.ApplicationData {
			by[r.Conn.ID] = append(by[r.Conn.ID], r)
		}
	}
	if len(by) == 0 {
		t.Fatalf("%s holds no records", name)
	}
	return by
}
