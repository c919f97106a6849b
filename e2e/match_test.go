package e2e

import (
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestMatch runs a tracer without a filter and others with --match beside it, for every
// call that sends or receives: each shows the records that the reference selects from
// the whole trace, and its ledger misses none. No tracer disturbs another.
func TestMatch(t *testing.T) {
	onOneWithEachChange(t)
	type chosen struct {
		expr string
		tr   *tracer
	}
	whole := startTracer(t, "-s", "16384")
	all := []*chosen{
		{expr: `dir == rx and op == recv and len > 100 or dir == tx and type != data and lat.push < 10m and raddr in 127.0.0.0/8`},
		// The plaintexts are those of pattern: steps of seven.
		{expr: `(payload contains "\x41\x48\x4f" or payload[0:2] in ("\x02\x09", "\x09\x10")) and not len == 100`},
	}
	for _, c := range all {
		c.tr = startTracer(t, "--match", c.expr)
	}
	// TLS 1.2 has all calls, with and without a copy.
	for _, path := range append(sendPaths, receivePaths...) {
		if path.version != "1.3" {
			t.Run("play/"+path.name, func(t *testing.T) {
				p := newPair(t, security{"1.2", "AES-GCM-128", "sw"})
				defer p.close()
				path.run(t, p)
			})
		}
	}
	var traces []trace
	for _, c := range all {
		traces = append(traces, c.tr.stop())
	}
	full := whole.stop()
	full.noLosses(t)
	for i, c := range all {
		t.Run(c.expr, func(t *testing.T) {
			compareMatch(t, c.expr, traces[i], full)
			if strings.Contains(c.tr.stderr.String(), "evaluated in user space") { // the kernel can, and user space reports what the kernel does
				t.Errorf("standard error is %q", &c.tr.stderr)
			}
		})
	}
}

// recordKey identifies a record in every trace of it.
type recordKey struct {
	cookie uint64
	dir    string
	gen    uint32
	seq    uint64
}

func (l *line) key() recordKey { return recordKey{l.Sock.Cookie, l.Dir, l.Gen, l.Seq} }

func compareMatch(t *testing.T, expr string, got, full trace) {
	t.Helper()
	e, err := match.Parse(expr)
	must(t, err)
	shown := map[recordKey]bool{}
	for _, l := range got.ofType("record") {
		shown[l.key()] = true
	}
	wanted, others := 0, 0
	for _, l := range full.ofType("record") {
		r := asRecord(t, &l)
		s := match.OfRecord(&r)
		want := e.Eval(&s) == match.Yes
		if want != shown[l.key()] {
			t.Errorf("shown %v, want %v: %+v", shown[l.key()], want, l)
		}
		delete(shown, l.key())
		if want {
			wanted++
		} else {
			others++
		}
	}
	t.Logf("%d records match, %d do not, %d left out in user space", wanted, others, got.summary(t).Unmatched)
	if wanted == 0 || others == 0 || len(shown) > 0 {
		t.Errorf("%d records match, %d do not, %d are in no other trace", wanted, others, len(shown))
	}
	if s := got.summary(t); len(s.Lost) != 0 || len(got.ofType("lost")) != 0 || s.Records["tx"]+s.Records["rx"] != uint64(wanted) {
		t.Errorf("summary %+v, lost %+v", s, got.ofType("lost"))
	}
}

// asRecord turns a line of JSON back into its event.
func asRecord(t *testing.T, l *line) event.Record {
	t.Helper()
	dir, err := event.ParseDir(l.Dir)
	must(t, err)
	r := event.Record{
		Conn: event.Conn{Cookie: l.Sock.Cookie, LPort: uint16(l.Sock.LPort), RPort: uint16(l.Sock.RPort), Family: event.FamilyINET,
			LAddr: netip.MustParseAddr(l.Sock.LAddr), RAddr: netip.MustParseAddr(l.Sock.RAddr)},
		Dir: dir, Seq: l.Seq, Gen: l.Gen, Len: uint32(l.Len), Payload: l.Payload.Data,
		TLS: event.TLS{Version: event.Version(wireVersion(l.TLS))},
		Lat: event.Latency{Total: l.Lat["total"]},
	}
	for _, name := range []string{"queue", "encrypt", "push", "wait", "decrypt", "deliver"} {
		if v, ok := l.Lat[name]; ok {
			r.Lat.Stage[map[string]int{"queue": 0, "encrypt": 1, "push": 2, "wait": 0, "decrypt": 1, "deliver": 2}[name]] = v
		}
	}
	for n := range 256 {
		if event.ContentType(n).String() == l.Content {
			r.Type = event.ContentType(n)
		}
		if event.Op(n).String() == l.Op && l.Op != "" {
			r.Op = event.Op(n)
		}
	}
	return r
}

// TestMatchErrors: one line that points at the column, and status 2.
func TestMatchErrors(t *testing.T) {
	onOneKernel(t)
	for _, c := range []struct{ args, want string }{
		{`trace|--match|lat.encrypt > 5`, "--match: column 15: lat.encrypt is a duration: compare it with 5ms, 300us"},
		{`trace|--match|dir == up`, `--match: column 8: dir is never "up": compare it with rx, tx`},
		{`trace|--match|(len > 1`, "--match: column 9: the expression ends where more must follow"},
		{`trace|--match|`, "--match is empty"},
		{`list|--match|len > 4000`, "--match: list shows sockets, and len belongs to a record"},
		{`--match|port == 70000`, "--match: column 9: port is at most 65535"},
	} {
		out, err := exec.Command(program, strings.Split(c.args, "|")...).CombinedOutput()
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != 2 || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v, %q, want %q", c.args, err, out, c.want)
		}
	}
}

// TestMatchList: a socket is listed where the expression holds for one of its
// directions.
func TestMatchList(t *testing.T) {
	onEnds(t)
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	defer p.close()
	port := strconv.Itoa(p.lport)
	for expr, want := range map[string]int{
		"lport == " + port + " and dir == tx and cookie != 0 and comm contains e2e": 1,
		"lport == " + port + " and dir == rx":                                       0,
		"port == " + port + " and not cipher == AES-GCM-256":                        2,
	} {
		out, err := exec.Command(program, "list", "-o", "json", "--match", expr).Output()
		must(t, err)
		if got := len(trace(parse(t, out)).ofType("socket")); got != want {
			t.Errorf("%s: %d sockets, want %d", expr, got, want)
		}
	}
}
