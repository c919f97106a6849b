package afktls

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lockThread keeps a goroutine on its thread, which ends with it.
func lockThread() { runtime.LockOSThread() }

// onOneProcessor keeps all threads, and the threads that they start, on the first processor until
// the end of the test.
func onOneProcessor(t testing.TB) {
	t.Helper()
	var all, first unix.CPUSet
	check(t, "sched_getaffinity", unix.SchedGetaffinity(0, &all))
	first.Set(0)
	setProcessors(t, &first)
	t.Cleanup(func() { setProcessors(t, &all) })
}

// setProcessors is done when it has found no thread but those that it had set before: one that had
// not may have started another meanwhile.
func setProcessors(t testing.TB, set *unix.CPUSet) {
	t.Helper()
	done := map[int]bool{}
	for before := -1; len(done) > before; {
		before = len(done)
		for _, task := range must(os.ReadDir("/proc/self/task"))(t) {
			tid := must(strconv.Atoi(task.Name()))(t)
			if err := unix.SchedSetaffinity(tid, set); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Fatal(err)
			}
			done[tid] = true
		}
	}
}

// settler makes the socket that settle sends to itself with. It is never closed: freeing one for each
// call takes the kernel a while, which TestNoGrowth would see.
var settler = sync.OnceValues(func() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fd, err
	}
	if err := unix.Bind(fd, loopback(unix.AF_INET)); err != nil {
		return fd, err
	}
	self, err := unix.Getsockname(fd)
	if err != nil {
		return fd, err
	}
	return fd, unix.Connect(fd, self)
})

var settling sync.Mutex

// settle waits until all packets sent on this processor have arrived. Usually they have when send
// returns, but a busy kernel leaves them to a thread of its own, in order: so it waits until one
// more packet has arrived. The answer that one of them has caused, an ICMP message, goes behind that
// packet: so it waits for another one.
func settle(t testing.TB) {
	t.Helper()
	settling.Lock()
	defer settling.Unlock()
	fd := must(settler())(t)
	for range 2 {
		must(unix.Write(fd, []byte("settled?")))(t)
		if got := polled(t, fd, unix.POLLIN, patience); got != unix.POLLIN {
			t.Fatalf("poll says %#x of a socket that sent to itself", got)
		}
		must(unix.Read(fd, make([]byte, 8)))(t)
	}
}

// waitAsleep waits until a thread sleeps in a system call: no event reports that.
func waitAsleep(t testing.TB, tid, call int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat := must(os.ReadFile(fmt.Sprintf("/proc/self/task/%d/syscall", tid)))(t)
		if strings.HasPrefix(string(stat), fmt.Sprint(call, " ")) {
			return
		}
	}
	t.Fatal("the thread does not sleep")
}
