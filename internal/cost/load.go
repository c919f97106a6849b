package cost

import (
	"fmt"
	"math"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// Load is one kind of work: records sent and received over loopback by one
// thread.
type Load struct {
	// Size is the plaintext of a record in bytes.
	Size int `json:"size"`
	// Sendfile sends from a file instead of from memory.
	Sendfile bool `json:"sendfile,omitempty"`
	// Conns is the number of connections that take turns.
	Conns int `json:"conns"`
}

func (l Load) String() string {
	op := "send"
	if l.Sendfile {
		op = "sendfile"
	}
	return fmt.Sprintf("%s %d B, %d connections", op, l.Size, l.Conns)
}

// Cost is the time of one record in nanoseconds, which are instructions under -icount.
type Cost struct {
	Send float64 `json:"send"`
	Recv float64 `json:"recv"`
}

// Total is a record sent and received.
func (c Cost) Total() float64 { return c.Send + c.Recv }

// costliest is above every measured cost.
var costliest = Cost{math.Inf(1), math.Inf(1)}

// least returns the cheaper of two costs, as a pair. The halves belong together:
// loopback does a part of receiving within the sending call, so one half may gain what
// the other loses.
func (c Cost) least(other Cost) Cost {
	if other.Total() < c.Total() {
		return other
	}
	return c
}

// Records are timed in blocks, because the tracer need not do the same for each record:
// the dashboard measures one record in eight more closely, so each block has equally
// many of these.
const block = 40

// Each connection has two blocks: a record after the connection's first milliseconds
// takes 180 more.
const blocks = 2

// fresh is the number of connections that one start uses, one after another. For long
// records it is only as many as fit into a ring with their plaintext while the tool's
// process is stopped.
func (l Load) fresh() int {
	switch {
	case l.Conns > 1:
		return 1
	case l.Size > 4096:
		return 2
	}
	return 6
}

// warm is the number of records sent before the measurement, which fill caches and open
// files that are opened on demand: one on each connection, and on a single connection
// the first ones, which the tracer measures more closely (STAGES_OF_ALL of
// bpf/ktls_stages.h).
func (l Load) warm() int { return l.Conns + 64 }

// records is the number of records that Measure sends.
func (l Load) records() int { return l.fresh() * (l.warm() + blocks*block) }

// Measure does the work and returns the cost of a record in the cheapest block.
//
// The kernel has several paths through the same work, some 280 instructions apart.
// Which one it takes differs between connections and between starts of a tool, and a
// timer interrupt falls into some blocks. Only the cheapest block of several
// connections and starts is the same in each run, with a tracer and without.
func (l Load) Measure() (Cost, error) {
	best := costliest
	for range l.fresh() {
		c, err := l.connection()
		if err != nil {
			return c, fmt.Errorf("%v: %w", l, err)
		}
		best = best.least(c)
	}
	return best, nil
}

// connection returns the cheapest block of one connection, or of one set of
// connections.
func (l Load) connection() (best Cost, err error) {
	w, err := l.prepare()
	if err != nil {
		return best, fmt.Errorf("prepare: %w", err)
	}
	defer w.close()
	if _, err := w.mean(l.warm()); err != nil {
		return best, err
	}
	best = costliest
	for range blocks {
		c, err := w.mean(block)
		if err != nil {
			return c, err
		}
		best = best.least(c)
	}
	return best, nil
}

// work is a Load in progress.
type work struct {
	load Load
	// from and to are the two ends of each connection.
	from, to []int
	files    []*os.File
	file     *os.File
	buf      []byte
	turn     int
}

func (l Load) prepare() (*work, error) {
	w := &work{load: l, buf: make([]byte, l.Size)}
	if l.Sendfile {
		f, err := os.CreateTemp("", "cost")
		if err != nil {
			return nil, err
		}
		w.file = f
		if err := os.Remove(f.Name()); err != nil {
			return nil, err
		}
		if _, err := f.Write(w.buf); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	for range l.Conns {
		if err := w.connect(ln); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// connect adds a connection that is encrypted in one direction.
func (w *work) connect(ln net.Listener) error {
	a, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := ln.Accept()
	if err != nil {
		return err
	}
	defer b.Close()
	info := &raw.CryptoInfo{Version: 0x0304, Cipher: raw.AES128GCM,
		Key: make([]byte, 16), Salt: make([]byte, 4), IV: make([]byte, 8)}
	if err := raw.Enable(a.(*net.TCPConn), info, nil); err != nil {
		return err
	}
	if err := raw.Enable(b.(*net.TCPConn), nil, info); err != nil {
		return err
	}
	from, err := w.keep(a.(*net.TCPConn))
	if err != nil {
		return err
	}
	to, err := w.keep(b.(*net.TCPConn))
	if err != nil {
		return err
	}
	w.from, w.to = append(w.from, from), append(w.to, to)
	return nil
}

// keep removes the socket from the runtime's poller, so that a call is one system call.
func (w *work) keep(c *net.TCPConn) (int, error) {
	f, err := c.File()
	if err != nil {
		return 0, err
	}
	w.files = append(w.files, f)
	return int(f.Fd()), unix.SetNonblock(int(f.Fd()), false)
}

// mean is the cost of each of n records.
func (w *work) mean(n int) (c Cost, err error) {
	var send, recv time.Duration
	for range n {
		s, r, err := w.record()
		if err != nil {
			return c, err
		}
		send, recv = send+s, recv+r
	}
	return Cost{float64(send) / float64(n), float64(recv) / float64(n)}, nil
}

// record sends and receives one record on the next connection, and returns the cost of
// each half.
func (w *work) record() (send, recv time.Duration, err error) {
	i := w.turn % len(w.from)
	w.turn++
	begin := time.Now()
	if err := w.send(w.from[i]); err != nil {
		return 0, 0, err
	}
	middle := time.Now()
	if err := w.recv(w.to[i]); err != nil {
		return 0, 0, err
	}
	return middle.Sub(begin), time.Since(middle), nil
}

// send and recv bypass Go's scheduler, which would otherwise watch each call, and that
// work would run on the same processor.
func (w *work) send(fd int) error {
	var n uintptr
	var errno unix.Errno
	if w.load.Sendfile {
		var offset int64
		n, _, errno = unix.RawSyscall6(unix.SYS_SENDFILE, uintptr(fd), w.file.Fd(), uintptr(unsafe.Pointer(&offset)), uintptr(w.load.Size), 0, 0)
	} else {
		n, _, errno = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&w.buf[0])), uintptr(w.load.Size))
	}
	switch {
	case errno != 0:
		return errno
	case int(n) != w.load.Size:
		return fmt.Errorf("sent %d of %d bytes", n, w.load.Size)
	}
	return nil
}

func (w *work) recv(fd int) error {
	for left := w.load.Size; left > 0; {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&w.buf[0])), uintptr(left))
		switch {
		case errno != 0:
			return errno
		case n == 0:
			return fmt.Errorf("end with %d bytes missing", left)
		}
		left -= int(n)
	}
	return nil
}

func (w *work) close() {
	for _, f := range w.files {
		f.Close()
	}
	if w.file != nil {
		w.file.Close()
	}
}
