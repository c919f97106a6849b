package e2e

import (
	"bytes"
	"encoding/json"
	"net"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// genReport is the report of ktlstop gen -o json.
type genReport struct {
	Seed        uint64    `json:"seed"`
	Connections []*genEnd `json:"connections"`
	DurationNS  int64     `json:"duration_ns"`
}

type genEnd struct {
	Role       string `json:"role"`
	Connection int    `json:"connection"`
	Local      string `json:"local"`
	Remote     string `json:"remote"`
	TX         string `json:"tx"`
	RX         string `json:"rx"`
	SentBytes  uint64 `json:"sent_bytes"`
	Received   uint64 `json:"received_bytes"`
	Rekeys     uint64 `json:"rekeys"`
	Fault      string `json:"fault"`
	FaultError string `json:"fault_error"`
	Sent       struct {
		Records uint64            `json:"records"`
		Bytes   uint64            `json:"bytes"`
		Types   map[string]uint64 `json:"types"`
		List    []genRecord       `json:"list"`
	} `json:"sent"`
}

type genRecord struct {
	Type string `json:"type"`
	Len  int    `json:"len"`
	Op   string `json:"op"`
}

// gen runs ktlstop gen to its end.
func gen(t *testing.T, args ...string) *genReport {
	t.Helper()
	stdout, stderr, status := ktlstop(t, append([]string{"gen", "-o", "json", "--list-records", "--require"}, args...)...)
	if status != 0 || stderr != "" {
		t.Fatalf("gen %q: status %d, %s", args, status, stderr)
	}
	return parseGen(t, []byte(stdout))
}

func parseGen(t *testing.T, b []byte) *genReport {
	t.Helper()
	var r genReport
	must(t, json.Unmarshal(b, &r))
	if len(r.Connections) == 0 {
		t.Fatal("no connections")
	}
	return &r
}

// portOf is the port of HOST:PORT.
func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	must(t, err)
	n, err := strconv.Atoi(p)
	must(t, err)
	return n
}

func (e *genEnd) stream(t *testing.T, tr trace, dir string) trace {
	t.Helper()
	return tr.stream(portOf(t, e.Local), portOf(t, e.Remote), dir)
}

// sees compares one end's records in a trace with the generator's report. A receiver
// has the same types and lengths, but its own calls.
func (e *genEnd) sees(t *testing.T, tr trace, dir string, want []genRecord) {
	t.Helper()
	var got []genRecord
	for _, l := range e.stream(t, tr, dir) {
		got = append(got, genRecord{l.Content, l.Len, l.Op})
	}
	if dir == "rx" {
		want = append([]genRecord(nil), want...)
		for i := range want {
			want[i].Op = "recv"
		}
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%s of connection %d, %s, differs (-gen +trace):\n%.2000s", e.Role, e.Connection, dir, cmp.Diff(want, got))
	}
}

// compareGen compares a trace with a report: each end sent exactly these records, and
// the other one received them.
func compareGen(t *testing.T, tr trace, r *genReport) {
	t.Helper()
	for i := 0; i < len(r.Connections); i += 2 {
		client, server := r.Connections[i], r.Connections[i+1]
		client.sees(t, tr, "tx", client.Sent.List)
		server.sees(t, tr, "tx", server.Sent.List)
		client.sees(t, tr, "rx", server.Sent.List)
		sent := client.Sent.List
		if client.Fault == "corrupt" {
			sent = sent[:len(sent)-1] // which no one could open
			server.seesError(t, tr, "EBADMSG")
		}
		server.sees(t, tr, "rx", sent)
	}
}

func (e *genEnd) seesError(t *testing.T, tr trace, errno string) {
	t.Helper()
	found := tr.filter(func(l *line) bool {
		return l.Type == "error" && l.Errno == errno && l.Dir == "rx" && l.Sock.LPort == portOf(t, e.Local) && l.Sock.RPort == portOf(t, e.Remote)
	})
	if len(found) != 1 {
		t.Errorf("%d errors %s at the %s, want 1", len(found), errno, e.Role)
	}
}

// playGen compares the generator's report with the trace, record by record.
func playGen(t *testing.T) func(*testing.T, trace) {
	scenarios := map[string]struct {
		args  []string
		check func(t *testing.T, tr trace, r *genReport)
	}{
		"sizes and alerts": {[]string{"-n", "2", "-s", "1..20000", "--rounds", "6", "--seed", "3", "--alert-every", "2"},
			func(t *testing.T, _ trace, r *genReport) { hasTypes(t, r, "alert", 4) }},
		"sendfile": {[]string{"--op", "sendfile", "-s", "1..40000", "--dir", "rx", "--rounds", "4"}, hasOp("sendfile")},
		"splice":   {[]string{"--op", "splice", "-s", "1..40000", "--dir", "both", "--rounds", "4"}, hasOp("splice")},
		"TLS 1.2":  {[]string{"--tls", "1.2", "--cipher", "chacha20-poly1305", "-s", "exp:3000", "--rounds", "4"}, nil},
		"corrupt":  {[]string{"--fault", "corrupt", "--rounds", "2"}, faulty("bad record MAC", "bad record MAC")},
		"corrupt 1.2": {[]string{"--fault", "corrupt", "--rounds", "2", "--tls", "1.2"},
			faulty("bad record MAC", "bad record MAC")},
		"reset":       {[]string{"--fault", "reset", "--rounds", "2"}, faulty("", "connection reset")},
		"slow reader": {[]string{"--read-delay", "1s", "--rounds", "2", "-s", "100"}, waited},
	}
	reports := map[string]*genReport{}
	for name, s := range scenarios {
		reports[name] = gen(t, s.args...)
	}
	return func(t *testing.T, got trace) {
		for name, s := range scenarios {
			for _, e := range reports[name].Connections {
				t.Logf("%s: %s %s to %s", name, e.Role, e.Local, e.Remote)
			}
			t.Run(name, func(t *testing.T) {
				compareGen(t, got, reports[name])
				if s.check != nil {
					s.check(t, got, reports[name])
				}
			})
		}
	}
}

func hasTypes(t *testing.T, r *genReport, typ string, n uint64) {
	t.Helper()
	for _, e := range r.Connections {
		if e.Sent.Types[typ] != n {
			t.Errorf("%s sent %v, want %d of %s", e.Role, e.Sent.Types, n, typ)
		}
	}
}

// hasOp checks that the report has the records that a call should send; the comparison
// with the trace checks that they were sent.
func hasOp(op string) func(*testing.T, trace, *genReport) {
	return func(t *testing.T, _ trace, r *genReport) {
		server, n := r.Connections[1], 0
		for _, rec := range server.Sent.List {
			if rec.Op == op {
				n += rec.Len
			}
		}
		if n == 0 || uint64(n) != server.SentBytes {
			t.Errorf("%d of %d bytes went by %s", n, server.SentBytes, op)
		}
	}
}

func faulty(client, server string) func(*testing.T, trace, *genReport) {
	return func(t *testing.T, _ trace, r *genReport) {
		for i, want := range []string{client, server} {
			if got := r.Connections[i].FaultError; !strings.Contains(got, want) || (got == "") != (want == "") {
				t.Errorf("%s saw %q, want %q", r.Connections[i].Role, got, want)
			}
		}
	}
}

// waited: data waits in the receive queue for a slow reader. Of the time from its sending to its reading it
// may be on its way for a part, since the kernel can leave the way to a thread that others keep waiting.
func waited(t *testing.T, tr trace, r *genReport) {
	const delay = uint64(time.Second)
	client, server := r.Connections[0], r.Connections[1]
	sent, read := client.stream(t, tr, "tx").data(), server.stream(t, tr, "rx").data()
	if len(sent) != 3 || len(read) != 3 { // the first has the generator's parameters, and no delay
		t.Fatalf("%d records sent, %d read, want 3", len(sent), len(read))
	}
	var longest uint64
	for i := 1; i < len(read); i++ {
		at, before := read[i].readAt(), read[i-1].readAt()
		if at < before+delay {
			t.Errorf("record %d was read %d ns after the one before, by a reader that waits %d", i, at-before, delay)
		}
		wait := read[i].Lat["wait"]
		if wait == 0 && tr.summary(t).skips(arrivals...) > 0 {
			t.Skip("the kernel skipped the hook of a record's arrival, which the trace has told")
		}
		if there := at - min(at, sent[i].Mono); wait < there/2 {
			t.Errorf("record %d waited %d ns, and was read %d ns after it was sent", i, wait, there)
		}
		longest = max(longest, wait)
	}
	if longest < delay/2 {
		t.Errorf("no record waited longer than %d ns for a reader that waits %d", longest, delay)
	}
}

// playGenRekeys: if the kernel can change keys, each KeyUpdate and its answer is a
// record of the report and of the trace; otherwise the error says why.
func playGenRekeys(t *testing.T) func(*testing.T, trace) {
	args := []string{"--rekey-every", "2", "--rounds", "4", "--require"}
	if !rekeys(t) {
		_, stderr, status := ktlstop(t, append([]string{"gen"}, args...)...)
		if status != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "change keys") || !strings.Contains(stderr, "6.14") {
			t.Errorf("status %d: %s", status, stderr)
		}
		return nil
	}
	r := gen(t, args...)
	return func(t *testing.T, got trace) {
		compareGen(t, got, r)
		for _, e := range r.Connections {
			if e.Rekeys != 2 || e.Sent.Types["handshake"] != 4 {
				t.Errorf("%s began %d of %v KeyUpdates, want 2 and as many answers", e.Role, e.Rekeys, e.Sent.Types)
			}
		}
	}
}

// rekeys reports whether this kernel changes the keys of a socket.
func rekeys(t *testing.T) bool {
	t.Helper()
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	defer p.close()
	return raw.SetKeys(p.conns[0], raw.TX, &p.info) == nil
}

// TestGenSeed: the same seed makes the same records, another one others.
func TestGenSeed(t *testing.T) {
	onOneKernel(t)
	run := func(seed string) string {
		r := gen(t, "-n", "3", "-s", "exp:2000", "--rounds", "5", "--alert-every", "3", "--seed", seed)
		r.DurationNS, r.Seed = 0, 0
		for _, e := range r.Connections {
			e.Local, e.Remote = "", ""
		}
		b, err := json.Marshal(r)
		must(t, err)
		return string(b)
	}
	first, again, other := run("11"), run("11"), run("12")
	if first != again {
		t.Errorf("the same seed made\n%s\nand\n%s", first, again)
	}
	if first == other {
		t.Error("two seeds made the same")
	}
}

// TestGenTwoHosts has client and server in network namespaces of their own, as
// on two hosts, and one trace of both.
func TestGenTwoHosts(t *testing.T) {
	onOneKernel(t)
	ip := need(t, "ip")
	for _, args := range []string{"netns add gen-a", "netns add gen-b", "link add gen-a netns gen-a type veth peer name gen-b netns gen-b",
		"-n gen-a address add 192.0.2.1/24 dev gen-a", "-n gen-b address add 192.0.2.2/24 dev gen-b",
		"-n gen-a link set gen-a up", "-n gen-b link set gen-b up"} {
		if out, err := exec.Command(ip, strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		for _, ns := range []string{"gen-a", "gen-b"} {
			_ = exec.Command(ip, "netns", "del", ns).Run()
		}
	})
	tr := startTracer(t)
	var out bytes.Buffer
	server := exec.Command(ip, "netns", "exec", "gen-a", program, "gen", "--listen", "192.0.2.1:4433", "-n", "2", "-o", "json", "--list-records", "--require")
	server.Stdout = &out
	start(t, server)
	listeningIn(t, server)
	client, err := exec.Command(ip, "netns", "exec", "gen-b", program, "gen", "--connect", "192.0.2.1:4433", "-n", "2",
		"-s", "1..5000", "--rounds", "3", "-o", "json", "--list-records", "--require").Output()
	must(t, err)
	waitFor(t, server)
	got := tr.stop()
	got.noLosses(t)
	mine, theirs := parseGen(t, client), parseGen(t, out.Bytes())
	both := &genReport{}
	for i := range mine.Connections {
		both.Connections = append(both.Connections, mine.Connections[i], theirs.Connections[i])
	}
	if len(both.Connections) != 4 {
		t.Fatalf("%d ends, want 4", len(both.Connections))
	}
	compareGen(t, got, both)
	for i, ns := range []string{"gen-b", "gen-a"} {
		inNamespace(t, both.Connections[i].stream(t, got, "tx"), ns)
	}
}

// listeningIn waits until a process listens on port 4433 of its own namespace.
func listeningIn(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	listens(t, 4433, filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "net"))
}

func inNamespace(t *testing.T, records trace, name string) {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join("/run/netns", name), &st))
	if len(records) == 0 {
		t.Errorf("no records in %s", name)
	}
	for _, l := range records {
		if l.Sock.NetNS != st.Ino {
			t.Errorf("record of namespace %d, want %d (%s)", l.Sock.NetNS, st.Ino, name)
		}
	}
}

// TestGenReportsInText is the text report.
func TestGenReportsInText(t *testing.T) {
	onOneKernel(t)
	stdout, stderr, status := ktlstop(t, "gen", "--fault", "reset", "--rounds", "1", "--require")
	if status != 0 || strings.Count(stdout, "\n") != 3 || !strings.Contains(stdout, "tx sw rx sw: 2 writes by send, ") ||
		!strings.Contains(stdout, "connection reset by peer") {
		t.Errorf("status %d: %s%s", status, stdout, stderr)
	}
}
