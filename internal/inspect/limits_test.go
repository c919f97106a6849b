package inspect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ktlstop/ktlstop/pkg/event"
)

func TestLimits(t *testing.T) {
	t.Run("head", func(t *testing.T) {
		f := newFeed(t, Config{}).both().send(rx, "GET / HTTP/1.1\r\n")
		for range maxHead/16000 + 2 {
			f.send(rx, "X-Long: "+strings.Repeat("x", 16000)+"\r\n")
		}
		if out := f.send(rx, "\r\n"+get).close(); len(out.notes) != 1 {
			t.Errorf("notes %q", out.notes)
		}
	})
	t.Run("requests", func(t *testing.T) {
		f := newFeed(t, Config{}).both()
		for range maxPending + 5 {
			f.send(rx, get)
		}
		n := len(f.conns()[0].waiting)
		if out := f.close(); len(out.http) != maxPending+5 || n != maxPending || len(out.notes) != 5 {
			t.Errorf("%d reported, %d waited, %d notes", len(out.http), n, len(out.notes))
		}
	})
	t.Run("streams", func(t *testing.T) {
		f, c := newFeed(t, Config{}).both(), newClient()
		for i := range uint32(maxPending + 5) {
			f.send(rx, c.get(2*i+1, "/").take())
		}
		n := len(f.conns()[0].open)
		if out := f.close(); len(out.http) != maxPending+5 || n != maxPending {
			t.Errorf("%d reported, %d were open", len(out.http), n)
		}
	})
	t.Run("connections", func(t *testing.T) {
		f := newFeed(t, Config{})
		for i := range maxConns + 3 {
			f.conn.ID, f.seq = uint64(i+1), [2]uint64{}
			f.open(rx).send(rx, get)
		}
		last := f.out.records[len(f.out.records)-1]
		if n := len(f.conns()); n != maxConns || string(last.Payload) != get {
			t.Errorf("%d connections, shown %q", n, last.Payload)
		}
		// An evicted connection goes on, and none of its records is reported missing.
		f.conn.ID, f.seq = 1, [2]uint64{rx: 1}
		f.send(rx, get).write(&event.Summary{})
		last = f.out.records[len(f.out.records)-1]
		if last.Conn.ID != 1 || string(last.Payload) != get || len(f.out.http) != maxConns+4 {
			t.Errorf("shown %q of connection %d, %d requests", last.Payload, last.Conn.ID, len(f.out.http))
		}
		want := []string{"more than 4096 connections are open: this one was idle for the longest time and is given up",
			"more than 4096 connections were open: 4 idle ones were given up"}
		if d := cmp.Diff(want, f.out.notes); d != "" {
			t.Error(d)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		f := newFeed(t, Config{})
		head := "GET / HTTP/1.1\r\nCookie: " + canary + strings.Repeat("y", 16000)
		for i := range maxHeld/32000 + 10 {
			f.conn.ID, f.seq = uint64(i+1), [2]uint64{}
			f.open(rx).send(rx, head).send(rx, "Z: "+strings.Repeat("z", 16000))
			if f.in.held > maxHeld+32000 {
				t.Fatalf("%d bytes are held", f.in.held)
			}
		}
		f.write(&event.Summary{})
		if f.in.held != 0 || f.in.conns.Len() != 0 || len(f.out.notes) == 0 || leaks(everything(f.out)) != "" {
			t.Errorf("%d bytes held, %d notes", f.in.held, len(f.out.notes))
		}
	})
}
