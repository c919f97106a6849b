package afktls

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// lockThread keeps a goroutine on its thread, which ends with it.
func lockThread() { runtime.LockOSThread() }

// waitAsleep waits until a thread sleeps in the kernel: there is nothing that would say so.
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
