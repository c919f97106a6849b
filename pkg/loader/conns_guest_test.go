package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/ktls"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// TestGenerations: more key changes than 16 bits count, in one direction; the other
// has its own count.
func TestGenerations(t *testing.T) {
	needGuest(t)
	guesttest.OnNewestWithEachChange(t)
	const changes = 1<<16 + 1
	tr, got := traced(t, Config{RingBytes: 32 << 20}, func() {
		a, b := kernelTLS(t)
		for n := range changes {
			err := raw.SetKeys(a, raw.TX, oneKey())
			if n == 0 && errors.Is(err, ktls.ErrRekey) {
				t.Skip("this kernel cannot change keys (from 6.14)")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		_ = b // has the first key, and does not read
	})
	if len(got.lost) != 0 || got.records != [2]uint64{1, 0} || got.gens != [2]uint32{changes, 0} {
		t.Errorf("records %v of the keys %v, lost %v", got.records, got.gens, got.lost)
	}
	ends, err := tr.Connections()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range ends {
		if s.TX.Mode != event.ModeNone && (s.GenTX != changes || s.GenRX != 0) {
			t.Errorf("at the end the keys are %d and %d, want %d and 0", s.GenTX, s.GenRX, changes)
		}
	}
}

// TestEndAfterKeyChange: a trace that ends between a key change and the first record under
// the new key has lost none of that key's records.
func TestEndAfterKeyChange(t *testing.T) {
	tr, got := traced(t, Config{}, func() {
		a, b := kernelTLS(t)
		for range 3 {
			if _, err := a.Write([]byte("under the first key")); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Read(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if err := raw.SetKeys(a, raw.TX, oneKey()); errors.Is(err, ktls.ErrRekey) {
			t.Skip("this kernel cannot change keys (from 6.14)")
		} else if err != nil {
			t.Fatal(err)
		}
		if err := raw.SetKeys(b, raw.RX, oneKey()); err != nil {
			t.Fatal(err)
		}
	})
	if got.records != [2]uint64{3, 3} || len(got.lost) != 0 {
		t.Errorf("records %v, lost %v, want 3 each way and none lost", got.records, got.lost)
	}
	ends, err := tr.Connections()
	if err != nil {
		t.Fatal(err)
	}
	if len(ends) != 2 {
		t.Fatalf("%d connections, want 2", len(ends))
	}
	for _, s := range ends {
		if s.GenTX+s.GenRX != 1 || s.GenTX == 1 && s.NextTX != 0 || s.GenRX == 1 && s.NextRX != 0 {
			t.Errorf("next sequences %d under key %d (tx) and %d under key %d (rx), want 0 under the new key", s.NextTX, s.GenTX, s.NextRX, s.GenRX)
		}
	}
}

// TestBeginOfConcurrentSends: who waits for another's record has begun its own with
// its call, not with the end of the other.
func TestBeginOfConcurrentSends(t *testing.T) {
	const waited = 20 * time.Millisecond
	_, got := traced(t, Config{}, func() {
		a, b := narrow(t) // b gets ciphertext: a receiver with TLS would take more while nobody reads
		if err := raw.Enable(a, oneKey(), nil); err != nil {
			t.Fatal(err)
		}
		due := int(fillUp(t, a)) * sealed(filling)
		out := fdOf(t, a)
		if err := unix.SetNonblock(out, false); err != nil {
			t.Fatal(err)
		}
		var senders sync.WaitGroup
		for range 2 {
			tid := make(chan int)
			senders.Go(func() {
				runtime.LockOSThread() // and never unlocked: the thread ends with its mask
				// The runtime's own signal would have the kernel begin the call again.
				urgent := unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGURG - 1)}}
				if err := unix.PthreadSigmask(unix.SIG_BLOCK, &urgent, nil); err != nil {
					t.Error(err)
				}
				tid <- unix.Gettid()
				if _, err := unix.Write(out, make([]byte, 100)); err != nil {
					t.Error(err)
				}
			})
			untilInCall(t, <-tid, unix.SYS_WRITE)
			due += sealed(100)
		}
		for begun := time.Now(); time.Since(begun) < waited; {
			runtime.Gosched() // the time that has to show
		}
		if _, err := io.CopyN(io.Discard, b, int64(due)); err != nil {
			t.Fatal(err)
		}
		senders.Wait()
	})
	if len(got.lost) != 0 || len(got.queues) < 3 {
		t.Fatalf("%d records, lost %v", len(got.queues), got.lost)
	}
	for i, queue := range got.queues[len(got.queues)-2:] {
		if queue < uint64(waited) {
			t.Errorf("the record of sender %d began %v before it was sealed, and had waited %v", i, time.Duration(queue), waited)
		}
	}
}

// fillUp is fill to the point from which on TCP takes nothing before the receiver reads, whoever was late.
func fillUp(t *testing.T, c *net.TCPConn) (n uint64) {
	t.Helper()
	for n = fill(t, c); ; {
		untilWindowCloses(t, c)
		more := fill(t, c)
		if more == 0 {
			return n
		}
		n += more
	}
}

// untilWindowCloses waits until the receiver has acknowledged all that TCP has sent, and has no room for more.
func untilWindowCloses(t *testing.T, c *net.TCPConn) {
	t.Helper()
	fd := fdOf(t, c)
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		if info.Unacked == 0 && info.Snd_wnd == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d segments are on their way, and the receiver has room for %d bytes", info.Unacked, info.Snd_wnd)
		}
	}
}

// untilInCall waits until a thread sleeps in a system call.
func untilInCall(t *testing.T, tid, call int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/syscall", tid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(b), fmt.Sprintf("%d ", call)) {
			return
		}
		runtime.Gosched()
	}
	t.Fatalf("thread %d does not come to sleep in system call %d", tid, call)
}

// TestInventoryOfBusySockets: a tracer starts, again and again, while many sockets
// send and receive. Whichever hook or the inventory meets a connection first, the
// others find it whole: it has an id, and only one, and each record is reported once.
func TestInventoryOfBusySockets(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	const pairs, rounds = 500, 3
	var traffic sync.WaitGroup
	var rest sync.RWMutex // who writes lets the traffic rest
	var over bool
	busy := func(mine [][2]*net.TCPConn) {
		buf := make([]byte, 100)
		for i := 0; ; i = (i + 1) % len(mine) {
			rest.RLock()
			if over {
				rest.RUnlock()
				return
			}
			_, err := mine[i][0].Write(buf)
			if err == nil {
				_, err = io.ReadFull(mine[i][1], buf)
			}
			rest.RUnlock()
			if err != nil {
				t.Error(err)
				return
			}
		}
	}
	for range 4 {
		var mine [][2]*net.TCPConn
		for range pairs / 4 {
			a, b := kernelTLS(t)
			mine = append(mine, [2]*net.TCPConn{a, b})
		}
		traffic.Go(func() { busy(mine) })
	}
	for range rounds {
		watchBusy(t, 2*pairs, &rest)
	}
	rest.Lock()
	over = true
	rest.Unlock()
	traffic.Wait()
}

// way is one direction of a connection.
type way struct {
	conn uint64
	dir  event.Dir
}

// watchBusy starts a tracer and looks at all that it reports until it has met as many
// sockets. While hooks are attached or detached the traffic rests: an emulated
// processor does not bear with text that changes under it.
func watchBusy(t *testing.T, sockets int, rest *sync.RWMutex) {
	t.Helper()
	rest.Lock()
	tr, err := Open(t.Context(), Config{RingBytes: 64 << 20, attached: rest.Unlock})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ids, next := map[[2]uint16]uint64{}, map[way]uint64{} // by ports, since the first hook may come before the cookie
	var records, gaps, skipped uint64
	resting := false
	defer func() {
		tr.Close()
		if resting {
			rest.Unlock()
		}
	}()
	meet := func(c *event.Conn) {
		ports := [2]uint16{c.LPort, c.RPort}
		if c.ID == 0 || ids[ports] != 0 && ids[ports] != c.ID {
			t.Errorf("the socket of %v is connection %d and %d", ports, ids[ports], c.ID)
		}
		ids[ports] = c.ID
	}
	err = tr.Run(ctx, func(ev event.Event) error {
		switch ev := ev.(type) {
		case *event.Socket:
			meet(&ev.Conn)
		case *event.Record:
			meet(&ev.Conn)
			w := way{ev.Conn.ID, ev.Dir}
			due, known := next[w]
			if !known {
				due = ev.Start
			}
			if ev.Seq < due {
				t.Errorf("record %d of %v, which is traced from %d on, comes where %d is due", ev.Seq, w, ev.Start, due)
			}
			gaps += ev.Seq - due
			next[w] = ev.Seq + 1
			records++
		case *event.Lost:
			if ev.Cause != "skipped" {
				return fmt.Errorf("%+v", *ev)
			}
			skipped += ev.Count
		}
		if len(ids) >= sockets && len(next) >= sockets && !resting {
			rest.Lock()
			resting = true
			cancel()
		}
		return nil
	}, nil)
	if err != nil || len(ids) < sockets || len(next) < sockets {
		t.Errorf("%d sockets, %d of them with records, %d records: %v", len(ids), len(next), records, err)
	}
	if gaps > skipped {
		t.Errorf("%d of %d records are missing, the kernel skipped the hooks of %d", gaps, records, skipped)
	}
	t.Logf("%d records, %d skipped", records, skipped)
}

// TestConnectionsEndOnce: sockets come and go at the same addresses, on several
// processors at once. Each is one connection, which ends once, and none of its
// records is reported for another, or missing unless the kernel skipped its hooks.
func TestConnectionsEndOnce(t *testing.T) {
	const each, workers, records = 100, 4, 3
	var met, ended, total, gaps uint64
	next := map[way]uint64{}
	needGuest(t)
	tr, err := Open(t.Context(), Config{RingBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	var traffic sync.WaitGroup
	for range workers {
		traffic.Go(func() {
			for range each {
				a, b := kernelTLS(t)
				exchange(t, a, b, records, 100)
				a.Close()
				b.Close()
			}
		})
	}
	traffic.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var skipped uint64
	ids := map[uint64]bool{}
	if err := tr.Run(ctx, func(ev event.Event) error {
		switch ev := ev.(type) {
		case *event.Socket:
			if !ids[ev.Conn.ID] {
				met++
			}
			ids[ev.Conn.ID] = true
			if ev.State == event.SocketClose {
				ended++
			}
		case *event.Record:
			total++
			w := way{ev.Conn.ID, ev.Dir}
			if ev.Seq < next[w] || ev.Seq >= records {
				t.Errorf("record %d of %v comes where %d is due", ev.Seq, w, next[w])
			}
			gaps += ev.Seq - next[w]
			next[w] = ev.Seq + 1
		case *event.Lost:
			skipped += ev.Count
			t.Logf("%d lost by %s of %v", ev.Count, ev.Cause, ev.Dir)
		}
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	const sockets = 2 * each * workers
	if met != sockets || ended != sockets || total+skipped != sockets*records || skipped > sockets/100 {
		t.Errorf("%d connections met, %d ended, want %d; %d records and %d skipped, want %d", met, ended, sockets, total, skipped, sockets*records)
	}
	if gaps > skipped {
		t.Errorf("%d records are missing, the kernel skipped the hooks of %d", gaps, skipped)
	}
}
