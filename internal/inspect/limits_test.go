package inspect

import (
	"strings"
	"testing"

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
		n := len(f.in.conns[1].waiting)
		if out := f.close(); len(out.http) != maxPending+5 || n != maxPending || len(out.notes) != 5 {
			t.Errorf("%d told, %d waited, %d notes", len(out.http), n, len(out.notes))
		}
	})
	t.Run("streams", func(t *testing.T) {
		f, c := newFeed(t, Config{}).both(), newClient()
		for i := range uint32(maxPending + 5) {
			f.send(rx, c.get(2*i+1, "/").take())
		}
		n := len(f.in.conns[1].open)
		if out := f.close(); len(out.http) != maxPending+5 || n != maxPending {
			t.Errorf("%d told, %d were open", len(out.http), n)
		}
	})
	t.Run("connections", func(t *testing.T) {
		f := newFeed(t, Config{})
		for i := range maxConns + 3 {
			f.conn.ID, f.seq = uint64(i+1), [2]uint64{}
			f.open(rx).send(rx, get)
		}
		if n := len(f.in.conns); n != maxConns || len(f.out.notes) != 1 {
			t.Errorf("%d connections, notes %q", n, f.out.notes)
		}
		last := f.out.records[len(f.out.records)-1]
		if len(last.Payload) != 0 {
			t.Errorf("shown %q", last.Payload)
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
		if f.in.held != 0 || len(f.in.conns) != 0 || len(f.out.notes) == 0 || leaks(everything(f.out)) != "" {
			t.Errorf("%d bytes held, %d notes", f.in.held, len(f.out.notes))
		}
	})
}
