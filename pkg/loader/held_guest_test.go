package loader

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// TestHeld: what connections hold back is reported where they are found, and to who asks
// later, wherever their state lies.
func TestHeld(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("hot full %v", full), func(t *testing.T) { checkHeld(t, full) })
	}
}

func checkHeld(t *testing.T, full bool) {
	a, b := kernelTLS(t)
	sendOn(t, a, 100, unix.MSG_MORE)
	before := Monotonic()
	half := halfARecord(t)
	peeked := peekedAt(t)
	tr, err := Open(t.Context(), Config{Aggregate: true, hotFull: full})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	found := foundBy(t, tr)
	most := Monotonic() - before
	at := func(c *net.TCPConn) *event.Socket {
		s := found[uint16(c.LocalAddr().(*net.TCPAddr).Port)]
		if s == nil {
			t.Fatalf("%v was not found", c.LocalAddr())
		}
		return s
	}
	if h := at(a).Held; h == nil || *h != (event.Held{OpenBytes: 100}) {
		t.Errorf("an open record is reported as %+v", h)
	}
	// The kernel counts in ticks, and a processor that stands still may count them late.
	if h := at(half).Held; h == nil || h.Incomplete != 25 || h.RecordBytes != 105 || h.QuietFor > most+60e9 {
		t.Errorf("a quarter of a record that came in the last %d ns is reported as %+v", most, h)
	}
	if h := at(peeked).Held; h == nil || h.Unread != 1 || h.UnreadBytes != 30 {
		t.Errorf("a record that was peeked at is reported as %+v", h)
	}
	if h := at(b).Held; h != nil {
		t.Errorf("nothing is reported as %+v", h)
	}
	for c, want := range map[*net.TCPConn]*event.Held{a: {OpenBytes: 100}, peeked: {Unread: 1, UnreadBytes: 30}, b: nil} {
		h, err := tr.Held(at(c).Conn.ID)
		if err != nil || (h == nil) != (want == nil) || h != nil && *h != *want {
			t.Errorf("asked, it is %+v, %v, want %+v", h, err, want)
		}
	}
	if h, err := tr.Held(at(a).Conn.ID + 1<<40); h != nil || err != nil {
		t.Errorf("a connection that is none holds %+v, %v", h, err)
	}
}

// TestHeldAge: the age of an open record is known where the trace saw it begin.
func TestHeldAge(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	a, _ := kernelTLS(t)
	tr, err := Open(t.Context(), Config{Aggregate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	before := Monotonic()
	sendOn(t, a, 100, unix.MSG_MORE)
	sendOn(t, a, 50, unix.MSG_MORE)
	id := foundBy(t, tr)[uint16(a.LocalAddr().(*net.TCPAddr).Port)].Conn.ID
	h, err := tr.Held(id)
	if most := Monotonic() - before; err != nil || h == nil || h.OpenBytes != 150 || h.OpenFor == 0 || h.OpenFor > most {
		t.Errorf("%+v, %v, want 150 bytes for at most %d ns", h, err, most)
	}
	sendOn(t, a, 1, 0)
	if h, err = tr.Held(id); h != nil || err != nil {
		t.Errorf("a record that is closed is held: %+v, %v", h, err)
	}
}

// foundBy are the connections that tr has found, by their ports here.
func foundBy(t *testing.T, tr *Tracer) map[uint16]*event.Socket {
	t.Helper()
	found := map[uint16]*event.Socket{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Run(ctx, func(ev event.Event) error {
		if s, ok := ev.(*event.Socket); ok && s.State == event.SocketFound {
			found[s.Conn.LPort] = s
		}
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	return found
}

func sendOn(t *testing.T, c *net.TCPConn, n, flags int) {
	t.Helper()
	if err := unix.Send(fdOf(t, c), make([]byte, n), flags); err != nil {
		t.Fatal(err)
	}
}

// halfARecord is a receiver that has got 25 bytes of 105.
func halfARecord(t *testing.T) *net.TCPConn {
	t.Helper()
	x, y := loopback(t)
	if err := raw.Enable(y, nil, oneKey()); err != nil {
		t.Fatal(err)
	}
	part := append([]byte{23, 3, 3, 0, 100}, make([]byte, 20)...)
	if _, err := x.Write(part); err != nil {
		t.Fatal(err)
	}
	arrived(t, y, len(part))
	return y
}

// arrived waits until n bytes are there to be read.
func arrived(t *testing.T, c *net.TCPConn, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		got, err := unix.IoctlGetInt(fdOf(t, c), unix.SIOCINQ)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d bytes of %d have arrived, %v", got, n, err)
		}
		if got == n {
			return
		}
	}
}

// peekedAt is a receiver that has looked at a record of 30 bytes.
func peekedAt(t *testing.T) *net.TCPConn {
	t.Helper()
	a, b := kernelTLS(t)
	sendOn(t, a, 30, 0)
	arrived(t, b, sealed(30))
	if n, _, err := unix.Recvfrom(fdOf(t, b), make([]byte, 10), unix.MSG_PEEK); n != 10 || err != nil {
		t.Fatalf("peeked at %d bytes, %v", n, err)
	}
	return b
}
