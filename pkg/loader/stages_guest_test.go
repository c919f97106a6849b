package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// kernelTLS is a connection over loopback that the kernel encrypts in one
// direction, from a to b.
func kernelTLS(t *testing.T, options ...func(*net.TCPListener) error) (a, b *net.TCPConn) {
	t.Helper()
	a, b = loopback(t, options...)
	if err := errors.Join(raw.Enable(a, oneKey(), nil), raw.Enable(b, nil, oneKey())); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// patience ends a test that hangs.
const patience = 5 * time.Minute

// sealed is how many bytes a record of n bytes has on its way: its header, the plaintext, its type and the tag.
func sealed(n int) int { return 5 + n + 1 + 16 }

// oneKey is the same for both ends.
func oneKey() *raw.CryptoInfo {
	return &raw.CryptoInfo{Version: 0x0304, Cipher: raw.AES128GCM, Key: make([]byte, 16), Salt: make([]byte, 4), IV: make([]byte, 8)}
}

// loopback is a plain connection.
func loopback(t *testing.T, options ...func(*net.TCPListener) error) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, set := range options {
		if err := set(ln.(*net.TCPListener)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a, b = out.(*net.TCPConn), in.(*net.TCPConn)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// measuredStages is how many of n records have their stages measured, and how
// many they stand for (stage_weight of bpf/ktls_stages.h).
func measuredStages(n uint32) (stand uint64) {
	const ofAll, oneIn = 64, 8
	for i := range n {
		switch {
		case i < ofAll:
			stand++
		case i*0x9e3779b1 < 1<<32/oneIn:
			stand += oneIn
		}
	}
	return stand
}

// TestStagesOfSome: counts, bytes and totals are of all records, stages of the
// first ones and of one in some, which stands for as many.
func TestStagesOfSome(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	tr, err := Open(t.Context(), Config{Aggregate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	const n, size = 400, 100
	a, b := kernelTLS(t)
	exchange(t, a, b, n, size)
	want := measuredStages(n)
	if want < 7*n/8 || want > 9*n/8 {
		t.Fatalf("those that are measured stand for %d of %d", want, n)
	}
	var seen [2]bool
	err = tr.Samples(func(s *event.Sample) {
		for d, lat := range s.Lat {
			if s.Totals.Records[d] == 0 {
				continue
			}
			seen[d] = true
			if s.Totals.Records[d] != n || s.Totals.Bytes[d] != n*size {
				t.Errorf("%v: %d records, %d bytes", event.Dir(d), s.Totals.Records[d], s.Totals.Bytes[d])
			}
			if got := counted(&lat[3]); got != n {
				t.Errorf("%v: %d records with a total, want %d", event.Dir(d), got, n)
			}
			// Of the stages this one takes time on any clock.
			if got := counted(&lat[1]); got != want {
				t.Errorf("%v: the measured stages stand for %d records, want %d", event.Dir(d), got, want)
			}
			for i := range lat {
				if least, most := bounds(&lat[i]); lat[i].Sum < least || lat[i].Sum > most {
					t.Errorf("%v: a sum of %d ns over values that add up to %d at least and %d at most", event.Dir(d), lat[i].Sum, least, most)
				}
			}
			// Not the sums: one record during which the machine stood still decides them, and it may stand for one, for eight or for none.
			if got, all := median(&lat[0])+median(&lat[1])+median(&lat[2]), median(&lat[3]); got < all/4 || got > 4*all {
				t.Errorf("%v: the stages take %d ns, all of it %d", event.Dir(d), got, all)
			}
		}
	})
	if err != nil || seen != [2]bool{true, true} {
		t.Errorf("samples of both directions: %v, %v", seen, err)
	}
}

// TestUnfinishedIsCounted: a record that was sealed and waits for TCP at the end
// is counted, whether its stages are measured or not.
func TestUnfinishedIsCounted(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	tr, err := Open(t.Context(), Config{Aggregate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	var sent uint64
	for sndbuf := 16000; sndbuf <= 46000; sndbuf += 5000 {
		a, b := kernelTLS(t)
		// TCP takes a part of a record where the room ends within it.
		if err := errors.Join(a.SetWriteBuffer(sndbuf), b.SetReadBuffer(20000)); err != nil {
			t.Fatal(err)
		}
		exchange(t, a, b, 100, 100) // most of those behind it are not measured
		sent += 100 + fill(t, a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Run(ctx, func(event.Event) error { return nil }, nil); err != nil {
		t.Fatal(err)
	}
	waiting := 0
	if err := tr.conns(func(c *wire.Conn) error {
		if c.Sealed() {
			waiting++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records wait for TCP", waiting) // in the guests of the matrix one or two, on 6.12 none
	var records uint64
	if err := tr.Samples(func(s *event.Sample) { records += s.Totals.Records[event.TX] }); err != nil {
		t.Fatal(err)
	}
	if records != sent {
		t.Errorf("%d records are counted, %d were sealed", records, sent)
	}
}

// exchange sends n records and reads each.
func exchange(t *testing.T, a, b net.Conn, n, size int) {
	t.Helper()
	buf := make([]byte, size)
	for range n {
		if _, err := a.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, buf); err != nil {
			t.Fatal(err)
		}
	}
}

// filling is the size of the records that fill writes.
const filling = 12000

// fill writes records until TCP takes no more, of the last one only a part, and
// returns how many were sealed.
func fill(t *testing.T, c *net.TCPConn) (n uint64) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, filling)
	err = raw.Write(func(fd uintptr) bool {
		for {
			m, err := unix.Write(int(fd), buf)
			if errors.Is(err, unix.EAGAIN) {
				return true
			}
			if errors.Is(err, unix.EINTR) { // the kernel's worker has the lock, and Go's runtime signals the thread
				continue
			}
			if err != nil || m != len(buf) {
				t.Errorf("record %d: wrote %d bytes: %v", n, m, err)
				return true
			}
			n++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func counted(h *event.Log2Hist) (n uint64) {
	for _, c := range h.N {
		n += uint64(c)
	}
	return n
}

// bounds are those of the sum of all values, by the buckets that they are in.
func bounds(h *event.Log2Hist) (least, most uint64) {
	for k, c := range h.N {
		least += uint64(c) << k
		most += uint64(c) << (k + 1)
	}
	return least, most
}

// median is where the bucket begins that has the value in the middle.
func median(h *event.Log2Hist) uint64 {
	below, all := uint64(0), counted(h)
	for k, c := range h.N {
		if below += uint64(c); 2*below > all {
			return 1 << k
		}
	}
	return 0
}

// TestErrorsWithoutStages: what cannot be opened is one error, with its sequence, however
// few hooks are attached.
func TestErrorsWithoutStages(t *testing.T) {
	needGuest(t)
	guesttest.OnEnds(t)
	for _, cfg := range []Config{{}, {Aggregate: true}, {Aggregate: true, WithoutStages: true}} {
		t.Run(fmt.Sprintf("aggregate %v without stages %v", cfg.Aggregate, cfg.WithoutStages), func(t *testing.T) {
			_, got := traced(t, cfg, func() {
				a, b := loopback(t)
				other := oneKey()
				other.IV = []byte("anotherI")
				if err := errors.Join(raw.Enable(a, oneKey(), nil), raw.Enable(b, nil, other)); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Write([]byte("nobody can read this")); err != nil {
					t.Fatal(err)
				}
				if n, err := b.Read(make([]byte, 100)); !errors.Is(err, unix.EBADMSG) {
					t.Errorf("read %d bytes and %v, want EBADMSG", n, err)
				}
			})
			if len(got.errors) != 1 {
				t.Fatalf("%d errors, want one: %+v", len(got.errors), got.errors)
			}
			e := got.errors[0]
			if e.Func != "tls_rx_one_record" || e.Errno != uint32(unix.EBADMSG) || e.Dir != event.RX || e.Seq != 0 || e.Type != event.ApplicationData {
				t.Errorf("%+v", e)
			}
		})
	}
}
