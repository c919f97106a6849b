package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// syscallEvent is the tracepoint at the entry of every system call.
func syscallEvent() (*unix.PerfEventAttr, error) {
	for _, dir := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		text, err := os.ReadFile(filepath.Join(dir, "events/raw_syscalls/sys_enter/id"))
		if err != nil {
			continue
		}
		id, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the tracepoint's number: %w", err)
		}
		return perfEvent(unix.PERF_TYPE_TRACEPOINT, id), nil
	}
	return nil, errors.New("no tracepoint raw_syscalls:sys_enter (mount -t tracefs tracefs /sys/kernel/tracing, and be root)")
}

func instructionEvent() *unix.PerfEventAttr {
	return perfEvent(unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS)
}

// perfEvent counts in user space and kernel, including threads started later.
func perfEvent(typ uint32, config uint64) *unix.PerfEventAttr {
	return &unix.PerfEventAttr{Type: typ, Size: uint32(binary.Size(unix.PerfEventAttr{})), Config: config, Bits: unix.PerfBitInherit}
}

// counter counts an event in all threads of this process. A nil one counts
// nothing.
type counter struct{ fds []int }

// newCounter opens the event for each thread. Threads started later are children of
// these, and are counted with them.
func newCounter(attr *unix.PerfEventAttr) (*counter, error) {
	c := &counter{}
	seen := map[int]bool{}
	for {
		fresh, err := newThreads(seen)
		if err != nil {
			c.close()
			return nil, err
		}
		if len(fresh) == 0 {
			return c, nil
		}
		for _, tid := range fresh {
			fd, err := unix.PerfEventOpen(attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
			if err == unix.ESRCH {
				continue // it has ended
			}
			if err != nil {
				c.close()
				return nil, fmt.Errorf("this machine does not count them: %w", os.NewSyscallError("perf_event_open", err))
			}
			c.fds = append(c.fds, fd)
		}
	}
}

// newThreads lists the threads that are not in seen, and adds them to it.
func newThreads(seen map[int]bool) (fresh []int, err error) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			return nil, err
		}
		if !seen[tid] {
			seen[tid] = true
			fresh = append(fresh, tid)
		}
	}
	return fresh, nil
}

// difference is nil if nothing is counted.
func (c *counter) difference(before, after uint64) *uint64 {
	if c == nil {
		return nil
	}
	n := after - before
	return &n
}

// read returns the count since the event was opened.
func (c *counter) read() (sum uint64, err error) {
	if c == nil {
		return 0, nil
	}
	for _, fd := range c.fds {
		var b [8]byte
		if n, err := unix.Read(fd, b[:]); err != nil || n != len(b) {
			return 0, fmt.Errorf("read a perf event: %d bytes, %w", n, err)
		}
		sum += binary.NativeEndian.Uint64(b[:])
	}
	return sum, nil
}

func (c *counter) close() {
	if c == nil {
		return
	}
	for _, fd := range c.fds {
		_ = unix.Close(fd)
	}
}
