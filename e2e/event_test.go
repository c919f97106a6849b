package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/sink/schematest"
)

// podOf is the pod in a line.
type podOf struct {
	UID       string `json:"pod_uid"`
	Namespace string `json:"namespace"`
	Name      string `json:"pod"`
	Container string `json:"container"`
}

// call is a receive call that returned with a record.
type call struct {
	Records int
	NS      uint64
}

// line is one line of -o json, with the fields that the tests read.
type line struct {
	Type  string `json:"type"`
	State string `json:"state"`
	Mono  uint64 `json:"mono_ns"`
	record
	PID       int                 `json:"pid"`
	TID       int                 `json:"tid"`
	Comm      string              `json:"comm"`
	UID       int                 `json:"uid"`
	Sock      sock                `json:"sock"`
	User      string              `json:"kernel_user"`
	Container string              `json:"container"`
	Unit      string              `json:"unit"`
	Pod       podOf               `json:"k8s"`
	Lat       map[string]uint64   `json:"lat_ns"`
	Call      call                `json:"call"`
	Errno     string              `json:"errno"`
	Sent      *bool               `json:"sent"`
	Owner     bool                `json:"owner"`
	Hint      struct{ ID string } `json:"hint"`
	Option    string              `json:"option"`
	Awaited   *uint64             `json:"awaited_ns"`
	Probed    uint64              `json:"probed"`
	Offload   offload             `json:"offload"`
	Ended     string              `json:"ended"`
	// CloseNotify is what is known of the alerts.
	CloseNotify map[string]bool `json:"close_notify"`
	Truncated   uint64          `json:"truncated_bytes"`
	Held        held            `json:"held"`
	// UnsentBytes are those of an open record.
	UnsentBytes uint64            `json:"unsent_bytes"`
	Func        string            `json:"func"`
	Cause       string            `json:"cause"`
	Count       uint64            `json:"count"`
	First       uint64            `json:"first"`
	Last        uint64            `json:"last"`
	TX          side              `json:"tx"`
	RX          side              `json:"rx"`
	Totals      map[string]totals `json:"totals"`
	Records     map[string]uint64 `json:"records"`
	Unmatched   uint64            `json:"unmatched"`
	Lost        map[string]uint64 `json:"lost"`
	Cost        costs             `json:"cost"`
	Missing     []string          `json:"missing_hooks"`
	// For DTLS: on records, on drops, and in the summary.
	Epoch    *uint64 `json:"epoch"`
	Datagram int     `json:"datagram"`
	Reason   string  `json:"reason"`
	Dropped  uint64  `json:"dropped"`
	sampling
	web
}

// sampling has the fields that --sample and --max-cpu add.
type sampling struct {
	Weight     uint64            `json:"weight"`
	Sampled    map[string]uint64 `json:"sampled"`
	Unweighted map[string]uint64 `json:"unweighted"`
	Stopped    string            `json:"stopped"`
}

// offload has the network card's counts.
type offload struct {
	Resyncs  map[string]uint64 `json:"resyncs"`
	Fallback uint64            `json:"fallback_packets"`
	Gone     bool              `json:"gone"`
}

// web has the further fields of an http event.
type web struct {
	Version  string   `json:"version"`
	Stream   uint32   `json:"stream"`
	End      string   `json:"end"`
	Duration uint64   `json:"duration_ns"`
	Request  *message `json:"request"`
	Response *message `json:"response"`
}

// message is a request or a response of HTTP.
type message struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Host    string `json:"host"`
	Status  int    `json:"status"`
	HeadLen int    `json:"head_len"`
	BodyLen int    `json:"body_len"`
	Headers []struct{ Name, Value string }
}

// held is what a connection holds back.
type held struct {
	OpenBytes   int    `json:"open_bytes"`
	OpenFor     uint64 `json:"open_ns"`
	Incomplete  int    `json:"incomplete_bytes"`
	RecordBytes int    `json:"record_bytes"`
	Quiet       uint64 `json:"quiet_ns"`
	Unread      int    `json:"unread_records"`
	UnreadBytes int    `json:"unread_bytes"`
}

// record has the fields that the tests compare.
type record struct {
	Dir     string   `json:"dir"`
	Seq     uint64   `json:"seq"`
	Gen     uint32   `json:"gen"`
	Content string   `json:"content_type"`
	Len     int      `json:"len"`
	Op      string   `json:"op"`
	TLS     security `json:"tls"`
	Payload payload  `json:"payload"`
	Alert   alert    `json:"alert"`
	// Handshake has RFC 8446's names of the messages in a handshake record.
	Handshake handshake `json:"handshake"`
	// Card is tls.card.
	Card string `json:"-"`
}

// handshake is comparable: Messages are joined by spaces.
type handshake struct {
	MsgType, Messages string
	More              int
	Continued, GoesOn bool
}

func (h *handshake) UnmarshalJSON(b []byte) error {
	var l struct {
		Type      string   `json:"msg_type"`
		Messages  []string `json:"messages"`
		More      int      `json:"more"`
		Continued bool     `json:"continued"`
		GoesOn    bool     `json:"goes_on"`
	}
	err := json.Unmarshal(b, &l)
	*h = handshake{l.Type, strings.Join(l.Messages, " "), l.More, l.Continued, l.GoesOn}
	return err
}

type payload struct {
	Len  int    `json:"len"`
	Data []byte `json:"data"`
}

type alert struct {
	Level       string `json:"level"`
	Description string `json:"description"`
}

type security struct {
	Version string `json:"version"`
	Cipher  string `json:"cipher"`
	Mode    string `json:"mode"`
}

type side struct {
	security
	Next uint64 `json:"next_seq"`
	Gen  uint32 `json:"gen"`
}

type sock struct {
	Cookie uint64 `json:"cookie"`
	NetNS  uint64 `json:"netns"`
	Family string `json:"family"`
	LAddr  string `json:"laddr"`
	LPort  int    `json:"lport"`
	RAddr  string `json:"raddr"`
	RPort  int    `json:"rport"`
}

type totals struct {
	Records uint64 `json:"records"`
	Bytes   uint64 `json:"bytes"`
}

// parse reads JSON Lines and validates each against the schema.
func parse(t *testing.T, b []byte) []line {
	t.Helper()
	var all []line
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		schematest.ValidateShape(t, sc.Bytes())
		var l line
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatalf("%v in %s", err, sc.Bytes())
		}
		l.Card = cardIn(t, sc.Bytes())
		all = append(all, l)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// trace is a finished run.
type trace []line

func (tr trace) filter(keep func(*line) bool) (out trace) {
	for i := range tr {
		if keep(&tr[i]) {
			out = append(out, tr[i])
		}
	}
	return out
}

// stream returns the records that the socket with these ports sent or received.
func (tr trace) stream(lport, rport int, dir string) trace {
	return tr.filter(func(l *line) bool {
		return (l.Type == "record" || l.unsent()) && l.Sock.LPort == lport && l.Sock.RPort == rport && l.Dir == dir
	})
}

func (tr trace) ofType(typ string) trace {
	return tr.filter(func(l *line) bool { return l.Type == typ })
}

func (tr trace) payload() (b []byte) {
	for i := range tr {
		b = append(b, tr[i].Payload.Data...)
	}
	return b
}

func (tr trace) data() trace {
	return tr.filter(func(l *line) bool { return l.Content == "application_data" })
}

// summary is the last line.
func (tr trace) summary(t *testing.T) *line {
	t.Helper()
	if len(tr) == 0 || tr[len(tr)-1].Type != "summary" {
		t.Fatal("the last line is no summary")
	}
	return &tr[len(tr)-1]
}

// noLosses checks the rules for every undisturbed run: nothing lost, no hook missing, stages that
// add up, sequence numbers without a gap.
func (tr trace) noLosses(t *testing.T) {
	t.Helper()
	tr.noLossesBut(t, func(string) bool { return false })
}

// noLossesBut allows the given hooks to be missing.
func (tr trace) noLossesBut(t *testing.T, known func(missing string) bool) {
	t.Helper()
	tr.checkCompleteExcept(t, known)
	tr.contiguous(t)
	tr.checkTimes(t)
}

// checkComplete checks that the trace reports no losses.
func (tr trace) checkComplete(t *testing.T) {
	t.Helper()
	tr.checkCompleteExcept(t, func(string) bool { return false })
}

func (tr trace) checkCompleteExcept(t *testing.T, known func(missing string) bool) {
	t.Helper()
	tr.checkLossesWithin(t, math.MaxInt, mostSkipped, known)
}

// checkLossesWithin checks that the trace reports no losses except for hooks that the kernel
// skipped: at most the given number of records without bytes and of missing ones, and no more than
// the kernel reports.
func (tr trace) checkLossesWithin(t *testing.T, bare, unseen int, known func(missing string) bool) {
	t.Helper()
	s := tr.summary(t)
	if lost, told := tr.unexplained(bare, unseen); len(lost) != 0 || len(told) != 0 {
		t.Errorf("lost %v, %+v", lost, told)
	}
	if n := s.Lost[unreadable] + s.Lost[skipped]; n > 0 {
		t.Logf("of %d records the kernel skipped hooks: %v", n, s.Lost)
	}
	if missing := slices.DeleteFunc(slices.Clone(s.Missing), known); len(missing) != 0 {
		t.Errorf("hooks are missing: %v", missing)
	}
}

// unexplained returns the losses that a finished trace reports and that hooks skipped by the kernel
// do not explain.
func (tr trace) unexplained(bare, unseen int) (lost map[string]uint64, told trace) {
	s := &tr[len(tr)-1]
	lost, told = maps.Clone(s.Lost), tr.ofType("lost")
	forgive := func(cause string, most int, hooks ...string) {
		if n := lost[cause]; n > 0 && n <= uint64(min(most, s.skips(hooks...))) {
			delete(lost, cause)
			told = slices.DeleteFunc(told, func(l line) bool { return l.Cause == cause || cause == skipped && l.Cause == "gap" })
		}
	}
	// A record whose first hook was skipped in all copies has no bytes, one whose hooks were all
	// skipped is counted (LIMITATIONS).
	forgive(unreadable, bare, unreadableHooks...)
	forgive(skipped, unseen, unseenHooks...)
	return lost, told
}

// mostSkipped is how many records a kernel that preempts itself may skip in one test: it rarely
// skips all hooks of one, and more would be a fault.
const mostSkipped = 12

// hasSkipped reports whether the kernel skipped records of a direction of a connection, which the
// trace reports as a gap.
func (tr trace) hasSkipped(lport, rport int, dir string) bool {
	return slices.ContainsFunc(tr.of(lport, rport).ofType("lost"), func(l line) bool { return l.Cause == "gap" && l.Dir == dir })
}

// skipSkipped ends a test whose records the kernel skipped; noLosses has checked how many.
func (tr trace) skipSkipped(t *testing.T, p *pair) {
	t.Helper()
	if tr.hasSkipped(p.lport, p.rport, "tx") || tr.hasSkipped(p.rport, p.lport, "rx") {
		t.Skip("the kernel skipped records of this connection, which the trace has reported")
	}
}

const skipped = "skipped"

const unreadable = "payload_unreadable"

// unreadableHooks are those without which a record's plaintext may not be found.
var unreadableHooks = []string{"verdict_enter", "open_enter"}

// unseenHooks are those without which a record may not be seen.
var unseenHooks = []string{"verdict_enter", "open_exit"}

// skips is the upper bound of how often the kernel skipped these programs.
func (l *line) skips(programs ...string) (n int) {
	if l == nil {
		return 0
	}
	return l.Cost.skips(programs...)
}

// costs are those of each program.
type costs []struct {
	Program string `json:"program"`
	Skipped int    `json:"skipped"`
}

func (all costs) skips(programs ...string) (n int) {
	for _, c := range all {
		if slices.Contains(programs, c.Program) {
			n += c.Skipped
		}
	}
	return n
}

// reportsGap reports whether the trace says, before l, that the records from first on are missing.
func (tr trace) reportsGap(l *line, first uint64) bool {
	return slices.ContainsFunc(tr, func(g line) bool {
		return g.Type == "lost" && g.Cause == "gap" && g.Sock == l.Sock && g.Dir == l.Dir && g.First == first && g.Last == l.Seq-1
	})
}

// contiguous checks that sequence numbers have no gap except the reported ones.
func (tr trace) contiguous(t *testing.T) {
	t.Helper()
	type key struct {
		sock sock
		dir  string
	}
	last := map[key]record{}
	for _, l := range tr.ofType("record") {
		k := key{l.Sock, l.Dir}
		if p, ok := last[k]; ok && l.Seq != p.Seq+1 && l.Gen == p.Gen && !tr.reportsGap(&l, p.Seq+1) {
			t.Errorf("%v: sequence %d follows %d", k, l.Seq, p.Seq)
		}
		last[k] = l.record
	}
}

// checkTimes checks that stages add up. One is unknown only if the kernel skipped its hook.
func (tr trace) checkTimes(t *testing.T) {
	t.Helper()
	unknown := 0
	for _, l := range tr.ofType("record") {
		if l.Lat["total"] == 0 {
			continue
		}
		sum := uint64(0)
		for stage, ns := range l.Lat {
			if stage != "total" {
				sum += ns
			}
		}
		switch {
		case sum == l.Lat["total"]:
		case l.Dir == "tx" && l.Lat["encrypt"] == 0 && l.Lat["push"] == 0:
			unknown++
		default:
			t.Errorf("stages add up to %d, total is %d: %+v", sum, l.Lat["total"], l)
		}
	}
	if n := tr.summary(t).skips("push_enter"); unknown > n {
		t.Errorf("of %d records it is not known when they were sealed, the kernel skipped the hook %d times", unknown, n)
	}
}
