package e2e

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// account is the trace's account of one direction of one socket.
type account struct{ seen, weight, lost, sampled, unweighted int }

// accountOf needs the socket's close.
func (tr trace) accountOf(t *testing.T, lport, rport int, dir string) (s account) {
	t.Helper()
	closes := 0
	for _, l := range tr {
		if l.Sock.LPort != lport || l.Sock.RPort != rport {
			continue
		}
		switch {
		case l.Type == "record" && l.Dir == dir:
			s.seen++
			s.weight += int(max(l.Weight, 1))
		case l.Type == "lost" && l.Dir == dir:
			s.lost += int(l.Count)
		case l.Type == "socket" && l.State == "close":
			closes++
			s.sampled, s.unweighted = int(l.Sampled[dir]), int(l.Unweighted[dir])
		}
	}
	if closes != 1 {
		t.Errorf("port %d: %d closes", lport, closes)
	}
	return s
}

// checkAccount: the records seen, left out and lost add up to those sealed, and so do
// the weights and the unweighted records.
func checkAccount(t *testing.T, s account, sealed int) {
	t.Helper()
	if s.seen+s.sampled+s.lost != sealed {
		t.Errorf("%d seen + %d sampled out + %d lost is not %d", s.seen, s.sampled, s.lost, sealed)
	}
	if s.weight+s.unweighted+s.lost != sealed {
		t.Errorf("a weight of %d + %d without + %d lost is not %d", s.weight, s.unweighted, s.lost, sealed)
	}
}

// ends are the two ends of the records that a sends to b.
func (p *pair) ends() [2]struct {
	lport, rport int
	dir          string
} {
	return [2]struct {
		lport, rport int
		dir          string
	}{{p.lport, p.rport, "tx"}, {p.rport, p.lport, "rx"}}
}

// mixed sends rounds of five records, which one call reads, and a control record.
func (p *pair) mixed(t *testing.T, rounds int, b []byte) {
	t.Helper()
	for range rounds {
		for range 5 {
			p.send(t, b, 0)
		}
		p.recv(t, 5*len(b), 5*len(b))
		p.sendControl(t, 22, []byte{4, 0, 0, 0})
		p.recvControl(t, 100)
	}
}

// TestSample: the weights of one record in ten and the unweighted records of the close
// events add up to the records sealed, for each socket and direction and in total. All
// control records and errors are there.
func TestSample(t *testing.T) {
	onEnds(t)
	const conns, rounds = 4, 50
	tr := startTracer(t, "--sample", "10", "-s", "16")
	bad := pairWithWrongKey(t, rawInfo(overloaded))
	defer bad.close()
	bad.send(t, pattern(70, 1), 0)
	if _, _, err := unix.Recvfrom(bad.b, make([]byte, 100), 0); err != unix.EBADMSG {
		t.Errorf("read: %v, want EBADMSG", err)
	}
	pairs := make([]*pair, conns)
	for i := range pairs {
		pairs[i] = newPair(t, overloaded)
		defer pairs[i].close()
	}
	// In turns and by one task: where tasks preempt each other, the kernel may skip
	// hooks, and the gaps then report what the sums lack.
	for range rounds {
		for i, p := range pairs {
			p.mixed(t, 1, pattern(10, i))
		}
	}
	open := pairs[0]
	for _, p := range pairs[1:] {
		p.close()
	}
	got := tr.stop()
	got.checkComplete(t)
	if n := len(got.ofType("error")); n != 1 {
		t.Errorf("%d errors, want 1", n)
	}
	sum := got.summary(t)
	for dir, want := range map[string]int{"tx": conns*rounds*6 + 1, "rx": conns * rounds * 6} { // one was not opened
		weight := 0
		for _, l := range got.ofType("record") {
			if l.Dir == dir {
				weight += int(max(l.Weight, 1))
			}
		}
		if weight+int(sum.Unweighted[dir]) != want {
			t.Errorf("%s: a weight of %d and %d without is not %d", dir, weight, sum.Unweighted[dir], want)
		}
	}
	for _, p := range pairs {
		for _, e := range p.ends() {
			records := got.stream(e.lport, e.rport, e.dir)
			if n := len(records.filter(func(l *line) bool { return l.Content == "handshake" })); n != rounds {
				t.Errorf("%s: %d of %d control records", e.dir, n, rounds)
			}
			checkPicked(t, records, rounds*5, sum.skips(timing...))
			if p != open {
				checkAccount(t, got.accountOf(t, e.lport, e.rport, e.dir), rounds*6)
			}
		}
	}
}

// checkPicked: of n records of data far fewer are reported, those that stand for others
// show their plaintext, and every call's time is known. Only a record for which the kernel skipped a
// hook (two tasks interrupted in it on the processor) has neither.
func checkPicked(t *testing.T, records trace, n, skips int) {
	t.Helper()
	told := records.data()
	if len(told) > n/2 || len(told) < n/20 {
		t.Errorf("%d of %d records of data are reported with one in ten", len(told), n)
	}
	bare := 0
	for _, l := range told {
		switch {
		case l.Lat["total"] == 0:
			bare++
		case l.Weight > 1 && l.Payload.Len != 10:
			t.Errorf("a record that stands for %d shows %d bytes", l.Weight, l.Payload.Len)
		}
	}
	if bare > skips {
		t.Errorf("%d of %d records have no total, the kernel skipped hooks %d times", bare, len(told), skips)
	}
}

// TestSampleAuto: nothing reads the ring, and records that would not fit are sampled,
// not lost. Once the tracer continues it reports every record again.
func TestSampleAuto(t *testing.T) {
	onOneWithEachChange(t)
	const records, controls, after = 600, 15, 20
	tr := startTracer(t, "--sample", "auto", "--ring-bytes", "65536")
	p := newPair(t, overloaded)
	defer p.close()
	tr.overrun(p, records, controls, after)
	p.close()
	got := tr.stop()
	for _, e := range p.ends() {
		s := got.accountOf(t, e.lport, e.rport, e.dir)
		checkAccount(t, s, records+controls+after)
		if s.sampled == 0 || s.lost != 0 {
			t.Errorf("%s: %+v: the ring has room for what is sampled", e.dir, s)
		}
		seen := got.stream(e.lport, e.rport, e.dir)
		checkOverrun(t, e.dir, seen, controls, after)
	}
	if !strings.Contains(tr.stderr.String(), "more than half full") {
		t.Errorf("it does not say that it samples: %s", &tr.stderr)
	}
}

// TestSampleTinyRing: in a ring of one page sampling is too late for some.
func TestSampleTinyRing(t *testing.T) {
	onOneWithEachChange(t)
	const conns, records = 4, 150
	tr := startTracer(t, "--sample", "auto", "--ring-bytes", "4096")
	var wg sync.WaitGroup
	pairs := make([]*pair, conns)
	for i := range pairs {
		p := newPair(t, overloaded)
		pairs[i] = p
		defer p.close()
		wg.Go(func() { p.exchange(t, records, pattern(10, i)) })
	}
	wg.Wait()
	tr.stopped(func() { pairs[0].exchange(t, records, pattern(10, conns)) }) // a fast reader may have kept up so far
	got := tr.stop()
	s := got.summary(t)
	var seen, sampled, lost, weight, unweighted int
	for _, dir := range []string{"tx", "rx"} {
		seen += int(s.Records[dir])
		sampled += int(s.Sampled[dir])
		unweighted += int(s.Unweighted[dir])
	}
	for _, l := range got {
		switch {
		case l.Type == "record":
			weight += int(max(l.Weight, 1))
		case l.Type == "lost" && l.Cause == "gap":
			lost += int(l.Count)
		}
	}
	checkAccount(t, account{seen, weight, lost, sampled, unweighted}, 2*(conns+1)*records)
	if sampled == 0 {
		t.Error("nothing was sampled: this is no overload")
	}
}

// TestMaxCPUOfSums: with the dashboard's sums no records can be left out.
func TestMaxCPUOfSums(t *testing.T) {
	onOneKernel(t)
	onOneCPU(t)
	board := &tracer{t: t, cmd: exec.Command(program, "-o", "json", "--max-cpu", "0.0001")}
	board.start()
	p := newPair(t, overloaded)
	defer p.close()
	p.untilTooMuch(t, board)
}

// TestMaxCPU: programs with a limit close to zero sample, step by step, and then are
// detached. The records traced until then are reported.
func TestMaxCPU(t *testing.T) {
	onOneWithEachChange(t)
	onOneCPU(t)
	tr := startTracer(t, "--max-cpu", "0.0001")
	p := newPair(t, overloaded)
	defer p.close()
	p.untilTooMuch(t, tr)
	for _, every := range []string{"10", "100", "1000"} {
		if want := "one ordinary record in " + every + " is reported"; !strings.Contains(tr.stderr.String(), want) {
			t.Errorf("it does not say %q: %s", want, &tr.stderr)
		}
	}
	s := tr.read().summary(t)
	if s.Stopped != "max_cpu" || s.Sampled["tx"] == 0 || len(s.Lost) != 0 {
		t.Errorf("the summary is %+v", s)
	}
	p.exchange(t, 1, pattern(10, 1)) // the connection continues to work
}

// untilTooMuch makes traffic until the tracer reports that it costs too much.
func (p *pair) untilTooMuch(t *testing.T, tr *tracer) {
	t.Helper()
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	late := time.After(patience)
	for {
		select {
		case err := <-tr.done:
			tr.done <- err
			var status *exec.ExitError
			if !errors.As(err, &status) || status.ExitCode() != 3 {
				t.Errorf("ktlstop: %v, want exit status 3", err)
			}
			if want := "more than the limit of 0.0001 %: they are detached"; !strings.Contains(tr.stderr.String(), want) {
				t.Errorf("it does not say %q: %s", want, &tr.stderr)
			}
			return
		case <-late:
			t.Fatalf("it goes on: %s", &tr.stderr)
		case <-pace.C:
			p.exchange(t, 5, pattern(10, 1))
		}
	}
}

// onOneCPU keeps this test and its processes on one processor: an emulator that
// translates code on one while another changes it can keep an intermediate state, the
// kernel's own breakpoint for example.
func onOneCPU(t *testing.T) {
	t.Helper()
	var all, one unix.CPUSet
	one.Set(0)
	runtime.LockOSThread()
	must(t, unix.SchedGetaffinity(0, &all))
	must(t, unix.SchedSetaffinity(0, &one))
	t.Cleanup(func() {
		must(t, unix.SchedSetaffinity(0, &all))
		runtime.UnlockOSThread()
	})
}
