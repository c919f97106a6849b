package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// snapshot is one line of ktlstop -o json, with the fields that the tests read.
type snapshot struct {
	TX    sums  `json:"tx"`
	RX    sums  `json:"rx"`
	Lost  int   `json:"lost_total"`
	Conns []row `json:"connections"`
	Run   struct {
		Filter   string                  `json:"filter"`
		Notes    []string                `json:"notes"`
		Cost     costs                   `json:"cost"`
		CostOver uint64                  `json:"cost_over_ns"`
		Rings    []struct{ Name string } `json:"rings"`
	} `json:"run"`
}

type sums struct {
	totals
	Lat struct {
		Count, P50, Max, Mean uint64
		Error                 float64 `json:"quantile_error"`
	} `json:"lat_ns"`
}

type row struct {
	Sock   sock   `json:"sock"`
	TX     sums   `json:"tx"`
	RX     sums   `json:"rx"`
	Closed uint64 `json:"closed_ns"`
	Comm   string `json:"comm"`
}

// startDashboard runs ktlstop -o json and returns when its hooks are attached.
func startDashboard(t *testing.T, args ...string) *tracer {
	t.Helper()
	return startDashboardBy(t, []string{program}, args...)
}

// startDashboardBy is startDashboard for a ktlstop that is started by another command.
func startDashboardBy(t *testing.T, ktlstop []string, args ...string) *tracer {
	t.Helper()
	dir := t.TempDir()
	tr := &tracer{t: t, file: filepath.Join(dir, "snapshots.jsonl"), done: make(chan error, 1)}
	ready := filepath.Join(dir, "ready")
	tr.cmd = exec.Command(ktlstop[0], slices.Concat(ktlstop[1:], []string{"-o", "json", "--ready-file", ready}, args)...)
	out, err := os.Create(tr.file)
	must(t, err)
	defer out.Close()
	tr.cmd.Stdout, tr.cmd.Stderr = out, &tr.stderr
	must(t, tr.cmd.Start())
	go func() { tr.done <- tr.cmd.Wait() }()
	t.Cleanup(tr.kill)
	tr.waitFor(func() bool { _, err := os.Stat(ready); return err == nil })
	return tr
}

func (tr *tracer) stopDashboard() []snapshot {
	tr.t.Helper()
	must(tr.t, tr.cmd.Process.Signal(os.Interrupt))
	tr.wait()
	all := tr.snapshots()
	checkNothingRefused(tr.t, all)
	return all
}

// snapshots are the complete snapshots of a dashboard so far.
func (tr *tracer) snapshots() []snapshot {
	tr.t.Helper()
	b, err := os.ReadFile(tr.file)
	must(tr.t, err)
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	var all []snapshot
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		var s snapshot
		must(tr.t, json.Unmarshal(sc.Bytes(), &s))
		all = append(all, s)
	}
	must(tr.t, sc.Err())
	return all
}

// TestSumsEqualTrace: the kernel's sums for the dashboard match the events of the same
// traffic, connection by connection.
func TestSumsEqualTrace(t *testing.T) {
	onOneWithEachChange(t)
	tr := startTracer(t)
	dash := startDashboard(t, "-d", "200ms", "--cost")
	plainly := startDashboard(t, "-d", "200ms", "--cost", "--stages", "off")
	s := security{"1.3", "AES-GCM-128", "sw"}
	plain, crowd, gone := newPair(t, s), newPair(t, s), newPair(t, s)
	defer plain.close()
	defer crowd.close()
	for i, n := range []int{1, 100, 16384, 5000} {
		plain.send(t, pattern(n, i), 0)
		_, _, err := unix.Recvfrom(plain.b, make([]byte, 10), unix.MSG_PEEK)
		must(t, err)
		plain.recv(t, n, 3000)
	}
	plain.sendControl(t, 21, []byte{1, 0})
	plain.recvControl(t, 10)
	for i := range 20 {
		plain.send(t, pattern(50, i), 0)
	}
	waitAll(t, plain, 20*50)
	const many = 150
	for i := range many {
		crowd.send(t, pattern(1, i), 0)
	}
	waitAll(t, crowd, many)
	gone.send(t, pattern(40, 1), 0)
	gone.recv(t, 40, 40)
	sendLate(t, plain, crowd, gone)
	gone.close()
	plain.send(t, pattern(60, 1), 0) // stays unread
	got := tr.stop()
	got.noLosses(t)
	for about, d := range map[string]*tracer{"stages on": dash, "stages off": plainly} {
		snaps := d.stopDashboard()
		t.Run(about, func(t *testing.T) {
			checkTotals(t, got, snaps[len(snaps)-1])
			for _, p := range []*pair{plain, crowd, gone} {
				for _, dir := range []string{"tx", "rx"} {
					checkSums(t, got, snaps, p, dir)
				}
			}
		})
	}
}

// sendLate sends a record on each pair that waits for its end, and then for its reader: in these times
// milliseconds that pass between the time stamps of two tracers on a busy machine do not count.
func sendLate(t *testing.T, pairs ...*pair) {
	t.Helper()
	const pause, size = 2 * time.Second, 20
	b := pattern(size, 1)
	for _, p := range pairs {
		p.send(t, b[:1], unix.MSG_MORE)
	}
	time.Sleep(pause) // the known delay
	for _, p := range pairs {
		p.send(t, b[1:], 0)
		p.arrived(t)
	}
	time.Sleep(pause)
	for _, p := range pairs {
		p.recv(t, size, size)
	}
}

// checkNothingRefused: a dashboard that cannot use the sums shows the same from events,
// at the cost of a trace.
func checkNothingRefused(t *testing.T, snaps []snapshot) {
	t.Helper()
	for _, note := range snaps[len(snaps)-1].Run.Notes {
		if strings.Contains(note, "refuses") {
			t.Errorf("the dashboard does without %s", note)
		}
	}
}

// waitAll reads n bytes by one call.
func waitAll(t *testing.T, p *pair, n int) {
	t.Helper()
	m, _, err := unix.Recvfrom(p.b, make([]byte, n), unix.MSG_WAITALL)
	must(t, err)
	if m != n {
		t.Fatalf("one call read %d bytes of %d", m, n)
	}
}

func checkTotals(t *testing.T, got trace, last snapshot) {
	t.Helper()
	if last.Lost != 0 {
		t.Errorf("the dashboard lost %d", last.Lost)
	}
	if n := got.summary(t).Records; n["tx"] != last.TX.Records || n["rx"] != last.RX.Records {
		t.Errorf("the trace has %v records, the dashboard %d and %d", n, last.TX.Records, last.RX.Records)
	}
	if len(last.Run.Cost) == 0 || last.Run.CostOver == 0 || len(last.Run.Rings) != 2 {
		t.Errorf("of the run it says %+v", last.Run)
	}
	var bytes [2]uint64
	for _, l := range got.ofType("record") {
		d := 0
		if l.Dir == "rx" {
			d = 1
		}
		bytes[d] += uint64(l.Len)
	}
	if bytes != [2]uint64{last.TX.Bytes, last.RX.Bytes} {
		t.Errorf("the trace has %v bytes, the dashboard %d and %d", bytes, last.TX.Bytes, last.RX.Bytes)
	}
}

// checkAddsUp compares a dashboard's sums with a trace: each may lack the losses that it
// reports.
func checkAddsUp(t *testing.T, got trace, last snapshot) {
	t.Helper()
	var lost uint64
	for _, n := range got.summary(t).Lost {
		lost += n
	}
	for dir, have := range map[string]totals{"tx": last.TX.totals, "rx": last.RX.totals} {
		var want totals
		for _, l := range got.ofType("record") {
			if l.Dir == dir {
				want.Records++
				want.Bytes += uint64(l.Len)
			}
		}
		if apart := max(have.Records, want.Records) - min(have.Records, want.Records); apart > lost+uint64(last.Lost) || apart == 0 && have != want {
			t.Errorf("%s: the dashboard has %+v and lost %d, the trace %+v and lost %d", dir, have, last.Lost, want, lost)
		}
	}
}

// checkSums compares one direction of one socket: counts exactly, times within the
// possible difference of two tracers that run one after the other.
func checkSums(t *testing.T, got trace, snaps []snapshot, p *pair, dir string) {
	t.Helper()
	lport, rport := p.lport, p.rport
	if dir == "rx" {
		lport, rport = rport, lport
	}
	var want sums
	var timed []uint64
	for _, l := range got.stream(lport, rport, dir) {
		want.Records++
		want.Bytes += uint64(l.Len)
		if l.Lat["total"] != 0 {
			timed = append(timed, l.Lat["total"])
		}
	}
	have := lastRow(snaps, lport, rport, dir)
	if have == nil || have.totals != want.totals {
		t.Errorf("%d %s: the dashboard has %+v, the trace %+v", lport, dir, have, want.totals)
		return
	}
	count := len(timed)
	n := got.summary(t).skips(timing...) + snaps[len(snaps)-1].Run.Cost.skips(timing...)
	if n > 0 && int(have.Lat.Count) != count {
		t.Logf("%d %s: %d records with times, want %d: the kernel skipped hooks %d times", lport, dir, have.Lat.Count, count, n)
		return
	}
	if int(have.Lat.Count) != count {
		t.Errorf("%d %s: %d records with times, want %d", lport, dir, have.Lat.Count, count)
	}
	if len(timed) == 0 {
		return
	}
	checkTimesOf(t, lport, dir, have, timed)
}

// timing are the hooks without which a record's beginning or its end is unknown.
var timing = []string{"verdict_enter", "msg_free", "open_enter", "recvmsg_exit"}

func checkTimesOf(t *testing.T, lport int, dir string, have *sums, timed []uint64) {
	t.Helper()
	var sum, most uint64
	for _, v := range timed {
		sum += v
		most = max(most, v)
	}
	mean := sum / uint64(len(timed))
	const apart = 2 // each takes its own time stamps (sendLate)
	if !near(have.Lat.Mean, mean, apart) || !near(have.Lat.Max, most, apart) || have.Lat.Error != 1 {
		t.Errorf("%d %s: the dashboard says %+v, the trace has mean %d, max %d", lport, dir, have.Lat, mean, most)
	}
	if have.Lat.P50 > have.Lat.Max || have.Lat.P50 == 0 {
		t.Errorf("%d %s: p50 is %d, max %d", lport, dir, have.Lat.P50, have.Lat.Max)
	}
}

func near(a, b, factor uint64) bool { return a <= b*factor && b <= a*factor }

// lastRow is the last row of one direction of a socket: closed ones disappear.
func lastRow(snaps []snapshot, lport, rport int, dir string) *sums {
	for i := len(snaps) - 1; i >= 0; i-- {
		for j := range snaps[i].Conns {
			r := &snaps[i].Conns[j]
			if r.Sock.LPort != lport || r.Sock.RPort != rport {
				continue
			}
			if dir == "tx" {
				return &r.TX
			}
			return &r.RX
		}
	}
	return nil
}
