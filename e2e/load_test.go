package e2e

import (
	"bytes"
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/ktlstop/ktlstop/internal/guesttest"
)

// TestLoadAndTrace is the only test on a kernel that is only checked, and runs only there, because
// other kernels run more detailed tests: every group of programs passes the verifier and attaches,
// no hook is missing, and each of a hundred records sent and received is reported exactly. Then
// many connections send at once, and lost records are counted, one by one.
func TestLoadAndTrace(t *testing.T) {
	guesttest.OnChecked(t)
	tr := startTracer(t, "-s", "16384", "--match", "len > 0")
	dash := startDashboard(t, "-d", "200ms")
	var all []*checked
	for _, version := range []string{"1.2", "1.3"} {
		x := &checked{pair: newPair(t, security{version, "AES-GCM-128", "sw"}), version: version}
		defer x.close()
		x.play(t)
		all = append(all, x)
	}
	listed := listedPorts(t)
	snaps := dash.stopDashboard()
	crowd := playCrowd(t)
	got := tr.stop()
	got.onlySkipped(t)
	for _, x := range all {
		if !slices.Contains(listed, x.lport) || !slices.Contains(listed, x.rport) {
			t.Errorf("list shows the ports %v and not %d and %d", listed, x.lport, x.rport)
		}
		x.compareWith(t, got)
	}
	checkDashboardSums(t, snaps[len(snaps)-1], all)
	for _, p := range crowd {
		checkLedger(t, got, p.lport, p.rport, "tx", crowdRecords)
		checkLedger(t, got, p.rport, p.lport, "rx", crowdRecords)
	}
}

// checked is a connection each of whose records is compared.
type checked struct {
	*pair
	version string
	sent    [][]byte
	bytes   uint64
}

func (x *checked) play(t *testing.T) {
	t.Helper()
	const records = 50
	for i := range records {
		b := pattern(1+i*334, i)
		x.send(t, b, 0)
		x.recv(t, len(b), len(b))
		x.sent = append(x.sent, b)
		x.bytes += uint64(len(b))
	}
}

// compareWith compares all of each record. A kernel that preempts itself may skip a hook's program:
// then each record is reported or counted as lost.
func (x *checked) compareWith(t *testing.T, got trace) {
	t.Helper()
	s := security{x.version, "AES-GCM-128", "sw"}
	for _, way := range []struct {
		from, to  int
		dir, call string
	}{{x.lport, x.rport, "tx", "send"}, {x.rport, x.lport, "rx", "recv"}} {
		if got.hasSkipped(way.from, way.to, way.dir) {
			checkLedger(t, got, way.from, way.to, way.dir, len(x.sent))
			continue
		}
		got.compare(t, way.from, way.to, way.dir, data(way.call, x.sent...), s)
	}
}

// checkDashboardSums: the dashboard's sums match the traffic, except for reported losses, which are
// no more than the kernel says that it skipped.
func checkDashboardSums(t *testing.T, last snapshot, all []*checked) {
	t.Helper()
	var want totals
	longest := 0
	for _, x := range all {
		want.Records += uint64(len(x.sent))
		want.Bytes += x.bytes
		for _, b := range x.sent {
			longest = max(longest, len(b))
		}
	}
	lost := 2*want.Records - last.TX.Records - last.RX.Records
	if lost != uint64(last.Lost) || last.Lost > min(skippable(), last.Run.Cost.skips(unseenHooks...)) {
		t.Errorf("the dashboard has %+v, %+v and %d lost, want %+v", last.TX.totals, last.RX.totals, last.Lost, want)
	}
	for dir, have := range map[string]totals{"tx": last.TX.totals, "rx": last.RX.totals} {
		unseen := want.Records - have.Records
		if have.Bytes > want.Bytes-unseen || have.Bytes+unseen*uint64(longest) < want.Bytes {
			t.Errorf("the dashboard has %+v %s, want %+v", have, dir, want)
		}
	}
}

// crowdRecords are sent by each connection of a crowd.
const crowdRecords = 60

// playCrowd sends on several connections at once, more than there are processors,
// so that a kernel that preempts itself does so within the programs.
func playCrowd(t *testing.T) (pairs []*pair) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 6 {
		p := newPair(t, overloaded)
		t.Cleanup(p.close)
		pairs = append(pairs, p)
		wg.Go(func() { p.exchange(t, crowdRecords, pattern(10, i)) })
	}
	wg.Wait()
	return pairs
}

// onlySkipped checks a trace of a load during which a kernel that preempts itself may skip
// programs: nothing else is lost, and not more than the kernel says it skipped, no hook is missing,
// and each loss is reported where it happened.
func (tr trace) onlySkipped(t *testing.T) {
	t.Helper()
	tr.checkLossesWithin(t, skippable(), skippable(), func(string) bool { return false })
	s := tr.summary(t)
	t.Logf("of %d records %d are skipped, %d without bytes", len(tr.ofType("record"))+int(s.Lost[skipped]), s.Lost[skipped], s.Lost[unreadable])
	tr.contiguous(t)
	tr.checkTimes(t)
}

// skippable is how many records the kernel may skip at most: none if it does not preempt itself. If
// debugfs does not say, as on a kernel that has no choice, it may.
func skippable() int {
	b, err := os.ReadFile("/sys/kernel/debug/sched/preempt")
	if err == nil && (bytes.Contains(b, []byte("(none)")) || bytes.Contains(b, []byte("(voluntary)"))) {
		return 0
	}
	return math.MaxInt
}

// TestUnexplained: losses are accepted as far as the kernel says that it skipped hooks, and no
// further.
func TestUnexplained(t *testing.T) {
	onOneKernel(t)
	traced := func(cause string, lost uint64, hook string, skips int) trace {
		var end line
		end.Type, end.Lost = "summary", map[string]uint64{cause: lost}
		end.Cost = costs{{Program: hook, Skipped: skips}}
		return trace{{Type: "lost", Cause: "gap"}, end}
	}
	for _, c := range []struct {
		cause        string
		lost         uint64
		hook         string
		skips, limit int
		explained    bool
	}{
		{skipped, 3, "open_exit", 3, math.MaxInt, true},
		{skipped, 3, "open_exit", 2, math.MaxInt, false},
		{skipped, 3, "open_exit", 3, 2, false},
		{skipped, 1, "open_exit", 1, 0, false},
		{skipped, 3, "open_enter", 3, math.MaxInt, false}, // another hook's
		{"ring_full", 3, "open_exit", 3, math.MaxInt, false},
	} {
		lost, told := traced(c.cause, c.lost, c.hook, c.skips).unexplained(c.limit, c.limit)
		if explained := len(lost) == 0 && len(told) == 0; explained != c.explained {
			t.Errorf("%+v: left are %v, %+v", c, lost, told)
		}
	}
}

// listedPorts are the local ports in the output of ktlstop list.
func listedPorts(t *testing.T) (ports []int) {
	t.Helper()
	stdout, stderr, status := ktlstop(t, "list", "-o", "json")
	if status != 0 {
		t.Fatal(stderr)
	}
	for _, l := range parse(t, []byte(stdout)) {
		if l.Type == "socket" && l.State == "found" {
			ports = append(ports, l.Sock.LPort)
		}
	}
	return ports
}
