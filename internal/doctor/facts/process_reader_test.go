package facts

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/doctor"
)

// stat7 is a process's of which only the time matters.
func stat7(started int) string {
	return "7 (a) b) " + strings.Repeat("S ", 19) + fmt.Sprint(started) + " 0 0\n"
}

func TestStarted(t *testing.T) {
	for content, want := range map[string]uint64{stat7(12345): 12345, "7 (x) S 1": 0, "": 0, "no": 0} {
		if got := tree(t, map[string]string{"proc/7/stat": content}).Started(7); got != want {
			t.Errorf("%q: %d, want %d", content, got, want)
		}
	}
}

// The caller never waits, each process is examined once, and those that found no room
// are counted.
func TestProcessReader(t *testing.T) {
	files := map[string]string{}
	for pid := range maxWaiting + 10 {
		files[fmt.Sprintf("proc/%d/stat", pid+1)] = stat7(pid + 100)
	}
	l := NewProcessReader(NewReader(tree(t, files)))
	looked, begun, goOn := map[int]int{}, make(chan bool), make(chan bool)
	l.look = func(pid int) (doctor.Process, error) {
		if looked[pid]++; pid == 1 {
			begun <- true
			<-goOn
		}
		started := uint64(pid + 99)
		if pid == 2 {
			started++ // another process has its number by now
		}
		return doctor.Process{PID: pid, Comm: "x", Started: started}, nil
	}
	if got := l.Enqueue(1); got != 100 {
		t.Errorf("started at %d", got)
	}
	<-begun // it is examined, and that takes time
	for range 3 {
		for pid := range maxWaiting + 10 {
			l.Enqueue(pid + 1)
		}
	}
	if l.Enqueue(maxWaiting+50) != 0 {
		t.Error("a process that is gone")
	}
	close(goOn)
	var notSeen []string
	known := l.End(&notSeen)
	if len(known) != maxWaiting || len(looked) != maxWaiting+1 || len(notSeen) != 1 || !strings.Contains(notSeen[0], " 9 processes") {
		t.Errorf("%d known, %d looked at, %q", len(known), len(looked), notSeen)
	}
	for pid, n := range looked {
		if n != 1 {
			t.Errorf("process %d was looked at %d times", pid, n)
		}
	}
}
