package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/sink/schematest"
)

var recordSelftest = flag.Bool("record", false, "run the kernel's selftest without ktlstop and write its results to testdata/selftest")

const (
	// selftestProgram is the kernel's tools/testing/selftests/net/tls.c.
	selftestProgram = "../bin/kernel-selftest"
	selftestResults = "testdata/selftest"
	// leadVariant is the variant that runs all cases, hanging ones included.
	leadVariant = "13_aes_gcm"
	// hang is the outcome of a case that ran into the harness' limit, 30 s.
	hang = "hang"
)

// TestSelftest runs the kernel's own test of its TLS code with ktlstop attached: each
// case must end as it does without, and the trace must satisfy all invariants.
// KTLSTOP_ALL=1 runs all cases, otherwise a selection that covers every path.
func TestSelftest(t *testing.T) {
	checkULP(t)
	s := newSelftest(t)
	if *recordSelftest {
		s.write(t, s.runAlone(t, s.cases))
		return
	}
	expected := s.expected(t)
	for _, g := range selftestGroups {
		t.Run(g.name, func(t *testing.T) {
			chosen := s.choose(g, expected)
			if len(chosen) == 0 {
				t.Fatal("no case to run")
			}
			got := s.runTraced(t, g.snaplen, chosen)
			s.compare(t, g.snaplen, chosen, expected, got)
		})
	}
}

// checkULP: without the ULP the selftest silently tests plain TCP, and passes.
func checkULP(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_ulp")
	must(t, err)
	if !slices.Contains(strings.Fields(string(b)), "tls") {
		t.Fatalf("this kernel offers the ULPs %q and not tls", b)
	}
}

// testCase is one case of the selftest; the variant is empty for some fixtures.
type testCase struct{ fixture, variant, test string }

func (c testCase) String() string {
	if c.variant == "" {
		return c.fixture + "." + c.test
	}
	return c.fixture + "." + c.variant + "." + c.test
}

// crowded cases move 36 to 72 MB between a dozen processes.
func (c testCase) crowded() bool { return strings.HasPrefix(c.test, "mutliproc") }

// sample are the cases that run with each change in variants other than leadVariant.
var sample = []string{"send_then_sendfile", "recv_max", "splice_to_pipe", "bidir", "control_msg"}

// sampled are the variants of each change with other paths than leadVariant: TLS 1.2
// and TLS 1.3 are opened directly into the reader's memory.
var sampled = []string{"12_aes_gcm", "13_nopad"}

// selftestGroup is a part of the cases that shares one trace.
type selftestGroup struct {
	name    string
	snaplen int
	// all selects the cases of KTLSTOP_ALL, including some of those of each change.
	all, some func(testCase) bool
}

var selftestGroups = []selftestGroup{
	{"paths", maxRecord,
		func(c testCase) bool { return !c.crowded() },
		func(c testCase) bool {
			return !c.crowded() && (c.fixture != "tls" || c.variant == leadVariant ||
				slices.Contains(sampled, c.variant) && slices.Contains(sample, c.test))
		}},
	{"crowds", 256,
		func(c testCase) bool {
			return c.crowded() && slices.Contains(append(sampled, leadVariant), c.variant)
		},
		func(c testCase) bool {
			return c.variant == leadVariant && c.test == "mutliproc_even"
		}},
}

// deadlyTests crash kernels of a series, with or without ktlstop: 6.18.15 reads
// past the scatterlist of a record that splice filled (memcpy_from_scatterwalk
// in gcm_encrypt_aesni_avx).
var deadlyTests = map[string][]string{"6.18.": {"splice_onto_full_record"}}

func deadly(release, test string) bool {
	for series, tests := range deadlyTests {
		if strings.HasPrefix(release, series) && slices.Contains(tests, test) {
			return true
		}
	}
	return false
}

// selftest is the built program.
type selftest struct {
	source string // what it was built from
	dir    string // where the guest keeps a copy
	cases  []testCase
}

func newSelftest(t *testing.T) *selftest {
	t.Helper()
	program, err := filepath.EvalSymlinks(selftestProgram)
	if err != nil {
		t.Fatalf("no selftest: make selftest (%v)", err)
	}
	s := &selftest{source: filepath.Base(program)}
	// Neither the cache, which is slow to read, nor the temporary folder, which
	// the selftest gets anew.
	s.dir, err = os.MkdirTemp("/run", "selftest-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	b, err := os.ReadFile(program)
	must(t, err)
	must(t, os.WriteFile(s.program(), b, 0o755))
	list, _ := exec.Command(s.program(), "-l").CombinedOutput() // the status means "skipped"
	if s.cases = parseCases(list); len(s.cases) < 100 {
		t.Fatalf("%d cases in %s", len(s.cases), list)
	}
	s.cases = slices.DeleteFunc(s.cases, func(c testCase) bool {
		return deadly(release(t), c.test) || !slices.ContainsFunc(selftestGroups, func(g selftestGroup) bool { return g.all(c) })
	})
	return s
}

func (s *selftest) program() string { return filepath.Join(s.dir, "tls") }

// parseCases reads the table that -l prints: for each fixture a column of
// variants and one of tests, each of which runs with each variant.
func parseCases(table []byte) (cases []testCase) {
	var fixture string
	var variants, tests []string
	flush := func() {
		if len(variants) == 0 {
			variants = []string{""}
		}
		for _, v := range variants {
			for _, test := range tests {
				cases = append(cases, testCase{fixture, v, test})
			}
		}
		variants, tests = nil, nil
	}
	for _, l := range strings.Split(string(table), "\n") {
		if strings.HasPrefix(l, "#") || len(l) < 22 {
			continue
		}
		if strings.HasPrefix(l, "---") {
			flush()
			continue
		}
		if f := strings.TrimSpace(l[:20]); f != "" {
			fixture = f
		}
		variant, test, _ := strings.Cut(strings.TrimRight(l[21:], " "), " ")
		if variant != "" {
			variants = append(variants, variant)
		}
		if test = strings.TrimSpace(test); test != "" {
			tests = append(tests, test)
		}
	}
	flush()
	return cases
}

// outcomes are pass, fail, skip or hang, by case.
type outcomes map[string]string

// run runs cases. The selftest makes unnamed files in /tmp, which an overlay file
// system refuses before Linux 6.3, so it gets a /tmp of its own.
func (s *selftest) run(t *testing.T, cases []testCase) outcomes {
	t.Helper()
	if len(cases) == 0 {
		return outcomes{}
	}
	args := []string{"--mount", "sh", "-c", `mount -t tmpfs tmp /tmp && exec "$0" "$@"`, s.program()}
	for _, c := range cases {
		args = append(args, "-r", c.String())
	}
	before := tlsStat(t)
	out, err := exec.Command("unshare", args...).CombinedOutput()
	got := parseOutcomes(out)
	if len(got) != len(cases) {
		t.Fatalf("%d of %d cases came to an end (%v):\n%s", len(got), len(cases), err, out)
	}
	// A single case may work without a key.
	if bytes.Contains(out, []byte("testing without tls")) || len(cases) > 10 && tlsStat(t)["TlsTxSw"] == before["TlsTxSw"] {
		t.Fatalf("the selftest did not use TLS:\n%s", out)
	}
	return got
}

var resultLine = regexp.MustCompile(`^(not )?ok \d+ (\S+)( # SKIP)?`)

func parseOutcomes(out []byte) outcomes {
	got := outcomes{}
	timeout := false
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		if strings.HasSuffix(sc.Text(), "Test terminated by timeout") {
			timeout = true
		}
		m := resultLine.FindStringSubmatch(sc.Text())
		switch {
		case m == nil:
			continue
		case m[3] != "":
			got[m[2]] = "skip"
		case timeout:
			got[m[2]] = hang
		case m[1] != "":
			got[m[2]] = "fail"
		default:
			got[m[2]] = "pass"
		}
		timeout = false
	}
	return got
}

// runAlone runs cases without ktlstop. A test that hangs in one variant hangs in all,
// and runs in the first only.
func (s *selftest) runAlone(t *testing.T, cases []testCase) outcomes {
	t.Helper()
	var first, rest []testCase
	for _, c := range cases {
		if c.fixture != "tls" || c.variant == leadVariant {
			first = append(first, c)
		}
	}
	got := s.run(t, first)
	for _, c := range cases {
		lead := testCase{"tls", leadVariant, c.test}
		if !slices.Contains(first, c) && got[lead.String()] != hang {
			rest = append(rest, c)
		}
	}
	for name, outcome := range s.run(t, rest) {
		got[name] = outcome
	}
	return got
}

// expected is the result of each case on this kernel without ktlstop: the recorded one,
// or one determined now. A newer kernel of the same series uses the record of the
// earlier one: a case that differs runs again without ktlstop (compare).
func (s *selftest) expected(t *testing.T) outcomes {
	t.Helper()
	name := s.recorded(t)
	if name == "" {
		t.Logf("nothing is recorded for this kernel: running the selftest without ktlstop first")
		var chosen []testCase
		for _, g := range selftestGroups {
			chosen = append(chosen, s.choose(g, nil)...)
		}
		return s.runAlone(t, chosen)
	}
	b, err := os.ReadFile(name)
	must(t, err)
	want := outcomes{}
	for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if outcome, name, ok := strings.Cut(l, " "); ok && outcome != "#" {
			want[name] = outcome
		}
	}
	return want
}

func (s *selftest) results(t *testing.T) string {
	t.Helper()
	return filepath.Join(selftestResults, release(t)+".txt")
}

// recorded is the record of this kernel, or else of another one of its series; it is
// empty if there is none.
func (s *selftest) recorded(t *testing.T) string {
	t.Helper()
	name := s.results(t)
	if _, err := os.Stat(name); err == nil {
		return name
	}
	parts := strings.SplitN(release(t), ".", 3)
	others, err := filepath.Glob(filepath.Join(selftestResults, parts[0]+"."+parts[1]+".*.txt"))
	must(t, err)
	if len(others) == 0 {
		return ""
	}
	t.Logf("nothing is recorded for this kernel: beginning with %s", others[len(others)-1])
	return others[len(others)-1]
}

func release(t *testing.T) string {
	t.Helper()
	var u unix.Utsname
	must(t, unix.Uname(&u))
	return unix.ByteSliceToString(u.Release[:])
}

// write records outcomes in the order of the cases.
func (s *selftest) write(t *testing.T, got outcomes) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# What the kernel's TLS selftest (%s) does on this kernel without ktlstop.\n", s.source)
	fmt.Fprintf(&b, "# Recorded with: make selftest-record KERNELS=%s\n", os.Getenv("KTLSTOP_KERNEL"))
	for _, c := range s.cases {
		if outcome := got[c.String()]; outcome != "" {
			fmt.Fprintln(&b, outcome, c)
		}
	}
	must(t, os.WriteFile(s.results(t), []byte(b.String()), 0o644))
}

// choose returns the cases of a group: those with a known result if expected is given,
// and hanging ones only if there is time.
func (s *selftest) choose(g selftestGroup, expected outcomes) (chosen []testCase) {
	wanted, patient := g.some, false
	if os.Getenv("KTLSTOP_ALL") != "" {
		wanted, patient = g.all, true
	}
	for _, c := range s.cases {
		outcome, known := expected[c.String()]
		if wanted(c) && (known || expected == nil) && (patient || outcome != hang) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// runTraced runs cases with ktlstop attached and checks the trace.
func (s *selftest) runTraced(t *testing.T, snaplen int, cases []testCase) outcomes {
	t.Helper()
	tr := startTracer(t, "-s", fmt.Sprint(snaplen))
	before := tlsStat(t)
	begin := time.Now()
	outcomes := s.run(t, cases)
	ran := time.Since(begin)
	after := tlsStat(t)
	must(t, tr.cmd.Process.Signal(os.Interrupt))
	tr.wait()
	got := readTrace(t, tr.file)
	a := got.invariants(t, snaplen)
	got.checkComplete(t)
	checkCounters(t, got, before, after)
	for _, h := range a.order {
		if h.closed == nil {
			t.Errorf("%v: no close", h)
		}
	}
	t.Logf("%d cases in %.0f s, checked in %.0f s: %d sockets, %d records, %d received ones compared with what the peer sent",
		len(cases), ran.Seconds(), (time.Since(begin) - ran).Seconds(), len(a.order), len(got.ofType("record")), a.pairs)
	return outcomes
}

// readTrace reads a long trace. Validating a line takes an emulated guest two
// milliseconds, and most lines differ in numbers and payload only: of those that are
// otherwise the same, one is validated.
func readTrace(t *testing.T, name string) (tr trace) {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Buffer(nil, 1<<20); sc.Scan(); {
		schematest.ValidateShape(t, sc.Bytes())
		var l line
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatalf("%v in %s", err, sc.Bytes())
		}
		tr = append(tr, l)
	}
	must(t, sc.Err())
	return tr
}

// checkCounters compares the trace with the kernel's own counters. A key or an error is missing in
// the trace only if the kernel skipped its hook.
func checkCounters(t *testing.T, got trace, before, after map[string]int) {
	t.Helper()
	count := func(keep func(*line) bool) (n int) {
		for _, l := range got.filter(keep) {
			n += int(max(l.Count, 1)) // an error can stand for several
		}
		return n
	}
	key := func(state, dir string) int {
		return count(func(l *line) bool { return l.Type == "socket" && l.State == state && l.Dir == dir })
	}
	skips := map[string]int{}
	for _, hook := range []string{"set_sw_offload", "open_exit"} {
		skips[hook] = got.summary(t).skips(hook)
	}
	for _, c := range []struct {
		name, hook string
		traced     int
	}{
		{"TlsTxSw", "set_sw_offload", key("open", "tx")},
		{"TlsRxSw", "set_sw_offload", key("open", "rx")},
		{"TlsTxRekeyOk", "set_sw_offload", key("rekey", "tx")},
		{"TlsRxRekeyOk", "set_sw_offload", key("rekey", "rx")},
		{"TlsDecryptError", "open_exit", count(func(l *line) bool { return l.Type == "error" && l.Func == "tls_rx_one_record" && l.Errno == "EBADMSG" })},
	} {
		counted := after[c.name] - before[c.name]
		missed := counted - c.traced
		if missed < 0 || missed > skips[c.hook] {
			t.Errorf("the kernel counted %s %d, the trace has %d, and %d others can have been missed with the hook %s", c.name, counted, c.traced, skips[c.hook], c.hook)
		}
		skips[c.hook] -= max(missed, 0)
	}
}

// compare checks that each case ended as it does without ktlstop. Some cases wait for
// 20 ms and fail on a busy machine, so one that differs gets five more attempts, each
// without and with ktlstop.
func (s *selftest) compare(t *testing.T, snaplen int, cases []testCase, expected, got outcomes) {
	t.Helper()
	differ := func() []testCase {
		return slices.DeleteFunc(slices.Clone(cases), func(c testCase) bool { return got[c.String()] == expected[c.String()] })
	}
	for range 5 {
		again := differ()
		if len(again) == 0 {
			return
		}
		t.Logf("once more: %v", again)
		for name, outcome := range s.run(t, again) {
			if outcome == got[name] {
				t.Logf("%s: %s now without ktlstop too, recorded is %s", name, outcome, expected[name])
				got[name] = expected[name]
			}
		}
		if again = differ(); len(again) == 0 {
			return
		}
		for name, outcome := range s.runTraced(t, snaplen, again) {
			got[name] = outcome
		}
	}
	for _, c := range differ() {
		t.Errorf("%v: %s with ktlstop, %s without", c, got[c.String()], expected[c.String()])
	}
}
