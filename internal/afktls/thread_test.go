package afktls

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
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

func setProcessors(t testing.TB, set *unix.CPUSet) {
	t.Helper()
	for _, task := range must(os.ReadDir("/proc/self/task"))(t) {
		tid := must(strconv.Atoi(task.Name()))(t)
		if err := unix.SchedSetaffinity(tid, set); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatal(err)
		}
	}
}

// settle waits until all packets sent on this processor have arrived. Usually they have when send
// returns, but a busy kernel leaves them to a thread of its own, in order: so it waits until one
// more packet has arrived.
func settle(t testing.TB) {
	t.Helper()
	fd := must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))(t)
	defer unix.Close(fd)
	check(t, "bind", unix.Bind(fd, loopback(unix.AF_INET)))
	check(t, "connect", unix.Connect(fd, must(unix.Getsockname(fd))(t)))
	must(unix.Write(fd, []byte("settled?")))(t)
	if got := polled(t, fd, unix.POLLIN, patience); got != unix.POLLIN {
		t.Fatalf("poll says %#x of a socket that sent to itself", got)
	}
}

// waitAsleep waits until a thread sleeps in the kernel: no event reports that.
func waitAsleep(t testing.TB, tid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat := must(os.ReadFile(fmt.Sprintf("/proc/self/task/%d/syscall", tid)))(t)
		if !strings.HasPrefix(string(stat), "running") {
			return
		}
	}
	t.Fatal("the thread does not sleep")
}
