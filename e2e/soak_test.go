//go:build soak

package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var soakTime = flag.Duration("soak", 30*time.Minute, "how long TestSoak goes on")

// TestSoak opens and closes connections with random traffic for a long time. The
// tracer's memory, maps and file descriptors must not grow, and its counts must be
// exact at the end. make soak runs it.
func TestSoak(t *testing.T) {
	const warmUp = 20
	seed := *randomSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -random-seed %d", seed)
	counted := make(chan tallied, 1)
	tr := startTracerInto(t, func(r io.Reader) { counted <- tally(r) }, "-s", "256")
	var want tallied
	var baseline, last usage
	begin := time.Now()
	for round := uint64(0); time.Since(begin) < *soakTime; round++ {
		soakRound(t, seed, round, &want)
		last = usageOf(t, tr.cmd.Process.Pid)
		if round == warmUp {
			baseline = last
			t.Logf("after %d rounds %v", round, last)
		}
	}
	t.Logf("at the end %v", last)
	must(t, tr.cmd.Process.Signal(os.Interrupt))
	tr.wait()
	if got := <-counted; got != want {
		t.Errorf("the trace has %+v, the traffic was %+v", got, want)
	}
	if baseline == (usage{}) {
		t.Fatalf("not %d rounds in %v", warmUp, *soakTime)
	}
	if last.rss > baseline.rss*5/4+4096 || last.files > baseline.files || last.threads > baseline.threads+4 {
		t.Errorf("it grew from %v to %v", baseline, last)
	}
}

// tallied are the counts in which a trace must agree with the traffic.
type tallied struct{ tx, rx, closed, lost, errors int }

// tally counts a trace's lines as they come.
func tally(r io.Reader) (c tallied) {
	lines := json.NewDecoder(r)
	for {
		var l line
		if lines.Decode(&l) != nil {
			return c
		}
		switch {
		case l.Type == "record" && l.Dir == "tx":
			c.tx++
		case l.Type == "record":
			c.rx++
		case l.Type == "socket" && l.State == "close":
			c.closed++
		case l.Type == "lost":
			c.lost += int(l.Count)
		case l.Type == "error":
			c.errors++
		}
	}
}

// soakRound opens connections, uses and closes them.
func soakRound(t *testing.T, seed, round uint64, want *tallied) {
	t.Helper()
	const conns, steps = 4, 10
	for i := range conns {
		s := security{[]string{"1.2", "1.3"}[i%2], []string{"AES-GCM-128", "CHACHA20-POLY1305"}[i%2], "sw"}
		m := &model{rng: rand.New(rand.NewPCG(seed, round<<8|uint64(i))), p: newPair(t, s), s: s}
		for range steps {
			m.step(t)
		}
		m.p.close()
		want.tx += len(m.tx)
		want.rx += len(m.rx)
		want.closed += 2
	}
}

// usage is the resources of a process: memory of its own in KiB, file descriptors (maps
// and links among them) and threads.
type usage struct{ rss, files, threads int }

func (u usage) String() string {
	return fmt.Sprintf("%d KiB, %d files, %d threads", u.rss, u.files, u.threads)
}

func usageOf(t *testing.T, pid int) (u usage) {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	b, err := os.ReadFile(filepath.Join(dir, "status"))
	must(t, err)
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB")) // other lines have no numbers
		switch name {
		case "RssAnon": // the memory of the rings is not counted, since it fills as they are read
			u.rss = n
		case "Threads":
			u.threads = n
		}
	}
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	must(t, err)
	u.files = len(files)
	return u
}
