//go:build soak

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestFlood offers 200,000 records as fast as the guest can to a tracer with a small ring that is
// stopped for a third of the time: the records seen, sampled out and lost add up to those sealed,
// the tracer's memory stays limited, and the traced program keeps its own speed. make soak runs
// it.
func TestFlood(t *testing.T) {
	for name, args := range map[string][]string{"all": {}, "sampled": {"--sample", "auto"}} {
		t.Run(name, func(t *testing.T) { flood(t, args...) })
	}
}

func flood(t *testing.T, args ...string) {
	const conns, rounds, perRound = 4, 50, 500 // each end of each connection makes a record of every one
	pairs := make([]*pair, conns)
	counted := make(chan counts, 1)
	tr := startTracerInto(t, func(r io.Reader) { counted <- countAll(r) }, append(args, "--ring-bytes", "65536")...)
	for i := range pairs {
		pairs[i] = newPair(t, overloaded)
		defer pairs[i].close()
	}
	round := func() time.Duration {
		begin := time.Now()
		var wg sync.WaitGroup
		for i, p := range pairs {
			wg.Go(func() { p.exchange(t, perRound, pattern(100, i)) })
		}
		wg.Wait()
		return time.Since(begin)
	}
	var first, last usage
	var stopped, running time.Duration
	for i := range rounds {
		if i%3 != 0 {
			running += round()
		} else { // nobody reads the ring
			must(t, tr.cmd.Process.Signal(syscall.SIGSTOP))
			stopped += round()
			must(t, tr.cmd.Process.Signal(syscall.SIGCONT))
		}
		if last = usageOf(t, tr.cmd.Process.Pid); i == rounds/5 {
			first = last
		}
	}
	t.Logf("a round takes %v while the tracer reads, %v while it is stopped; from %v to %v",
		running/(rounds*2/3), stopped/(rounds/3), first, last)
	must(t, tr.cmd.Process.Signal(os.Interrupt))
	tr.wait()
	got := <-counted
	for dir, c := range got {
		t.Logf("%s: %+v", dir, *c)
		if n := c.seen + c.sampled + c.lost; n != conns*rounds*perRound {
			t.Errorf("%s: %d seen + %d sampled out + %d lost is not %d", dir, c.seen, c.sampled, c.lost, conns*rounds*perRound)
		}
	}
	if got["tx"].lost+got["tx"].sampled == 0 {
		t.Error("nothing was lost or sampled out: this is no flood")
	}
	if last.rss > first.rss*5/4+4096 || last.files > first.files {
		t.Errorf("it grew from %v to %v", first, last)
	}
	// The program does not wait for a stopped reader.
	if a, b := running/(rounds*2/3), stopped/(rounds/3); b > 2*a {
		t.Errorf("a round takes %v while the tracer is stopped, %v while it reads", b, a)
	}
}

// counts are the counts of a trace, by direction.
type counts map[string]*struct{ seen, sampled, lost int }

// countAll counts a trace's lines as they arrive. It must be faster than the trace, which does
// not wait for its reader, so it does not decode records.
func countAll(r io.Reader) counts {
	c := counts{"tx": {}, "rx": {}}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if b := sc.Bytes(); bytes.Contains(b, []byte(`"type":"record"`)) {
			if bytes.Contains(b, []byte(`"dir":"tx"`)) {
				c["tx"].seen++
			} else {
				c["rx"].seen++
			}
			continue
		}
		var l line
		if json.Unmarshal(sc.Bytes(), &l) != nil {
			break
		}
		switch {
		case l.Type == "lost" && l.Cause == "gap":
			c[l.Dir].lost += int(l.Count)
		case l.Type == "summary":
			for dir, n := range l.Sampled {
				c[dir].sampled = int(n)
			}
		}
	}
	return c
}
