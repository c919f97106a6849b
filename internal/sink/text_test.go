package sink

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func printed(t *testing.T, cfg TextConfig, events ...event.Event) []byte {
	t.Helper()
	cfg.Clock = FixedClock(offset)
	return written(t, func(q *Queue) Sink { return NewText(q, cfg) }, events)
}

func TestTextGolden(t *testing.T) {
	golden(t, "text.txt", printed(t, TextConfig{}, samples()...))
	golden(t, "text-80.txt", printed(t, TextConfig{Width: 80, Costs: true}, samples()...))
	golden(t, "text-wide.txt", printed(t, TextConfig{Wide: true}, samples()...))
}

// TestLogGolden: a log has lines of requests alone; what else one has to know is beside it.
func TestLogGolden(t *testing.T) {
	var rest []byte
	golden(t, "text-log.txt", written(t, func(q *Queue) Sink {
		return NewLog(q, TextConfig{Clock: FixedClock(offset)}, sinkFunc(func(ev event.Event) error {
			rest = NewText(nil, TextConfig{Clock: FixedClock(offset), NoHeader: true}).AppendEvent(rest, ev)
			return nil
		}))
	}, samples()))
	golden(t, "text-log-rest.txt", rest)
}

// TestLogFull: lines that found no room are counted beside the log, and not in it.
func TestLogFull(t *testing.T) {
	var lost, summed uint64
	rest := sinkFunc(func(ev event.Event) error {
		switch ev := ev.(type) {
		case *event.Lost:
			lost += ev.Count
		case *event.Summary:
			summed += ev.Lost[CauseOutputEvents]
		}
		return nil
	})
	read, write := io.Pipe() // which nobody reads yet
	q := NewQueue(write, QueueConfig{Bytes: 1})
	l := NewLog(q, TextConfig{}, rest)
	for range 10 {
		if err := l.Write(&finding.HTTP{Version: "1.1"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Flush(), l.Write(&event.Summary{})); err != nil {
		t.Fatal(err)
	}
	go q.Close(nil)
	out, err := io.ReadAll(io.LimitReader(read, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if n := uint64(strings.Count(string(out), "HTTP/1.1")); lost == 0 || lost != summed || n+lost != 10 {
		t.Errorf("%d lines, %d reported as lost, %d in the summary, of 10", n, lost, summed)
	}
}

type sinkFunc func(event.Event) error

func (f sinkFunc) Write(ev event.Event) error { return f(ev) }
func (sinkFunc) Flush() error                 { return nil }

// checkLines fails where a line does something else than appear.
func checkLines(t *testing.T, out []byte) {
	t.Helper()
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if safe.String(line) != line {
			t.Errorf("%q is not fit for a terminal", line)
		}
	}
}

func TestTextIsSafe(t *testing.T) {
	for seed := range 300 {
		for _, ev := range newGenerator(uint64(seed)).events() {
			for _, cfg := range []TextConfig{{}, {Width: 80}, {Wide: true}} {
				checkLines(t, printed(t, cfg, ev))
			}
		}
	}
}

// However narrow it is, a line shows both ports and the whole address.
func TestTextShowsTheConnection(t *testing.T) {
	conn := event.Conn{Family: event.FamilyINET6, LPort: 40001, RPort: 50002,
		LAddr: netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666"), RAddr: netip.MustParseAddr("2001:db8:7777:8888:9999:aaaa:bbbb:cccc")}
	for _, width := range []int{0, 20, 80, 120} {
		for _, ev := range []event.Event{
			&event.Record{Conn: conn}, &event.Record{Conn: conn, Unsent: true, Errno: 32}, &event.Error{Conn: conn, Errno: 74, Func: "tls_rx_one_record"},
			&event.Socket{Conn: conn, State: event.SocketClose}, &event.Lost{Conn: &conn, Cause: "gap"},
			&finding.HTTP{Conn: conn}, &finding.Exchange{Conn: conn}, &finding.Note{Conn: conn},
		} {
			line := string(printed(t, TextConfig{Width: width, NoHeader: true}, ev))
			if want := ":40001 > [2001:db8:7777:8888:9999:aaaa:bbbb:cccc]:50002\n"; !strings.HasSuffix(line, want) {
				t.Errorf("%d columns: %q ends not in %q", width, line, want)
			}
		}
	}
}

// TestTextShowsTheKernelUser: where names are cut, host and target of NVMe/TCP still differ.
func TestTextShowsTheKernelUser(t *testing.T) {
	dd := event.Process{PID: 7, Comm: event.MakeComm("dd")}
	for _, c := range []struct {
		user string
		cfg  TextConfig
		want string
	}{
		{"nvme_tcp", TextConfig{}, " [nvme_tcp]           7 "}, {"nvmet_tcp", TextConfig{}, " [nvmet_tcp]          7 "},
		{"nvme_tcp", TextConfig{Width: 80}, " [nvme_…      7 "}, {"nvmet_tcp", TextConfig{Width: 80}, " [nvmet…      7 "},
		{"", TextConfig{Width: 80}, " dd           7 "}, {"nvme_tcp", TextConfig{Wide: true}, " kernel user nvme_tcp\n"},
	} {
		c.cfg.NoHeader = true
		if line := string(printed(t, c.cfg, &event.Record{Proc: dd, Conn: event.Conn{KernelUser: c.user}})); !strings.Contains(line, c.want) {
			t.Errorf("%q: %q has not %q", c.user, line, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("\x1b[2J"), 20)
	f.Fuzz(func(t *testing.T, raw []byte, width int) {
		if width < 1 || width > 1000 {
			return
		}
		g := generator{raw: raw}
		for _, ev := range g.events()[:5] {
			checkLines(t, printed(t, TextConfig{Width: width, NoHeader: true}, ev))
		}
	})
}

func TestTextHeaderOnce(t *testing.T) {
	out := string(printed(t, TextConfig{}, sampleRecord(), sampleRecord()))
	if strings.Count(out, "TIME") != 1 || strings.Count(out, "\n") != 3 {
		t.Errorf("got %q", out)
	}
	if out = string(printed(t, TextConfig{NoHeader: true}, sampleRecord())); strings.Contains(out, "TIME") {
		t.Errorf("a header in %q", out)
	}
	if out = string(printed(t, TextConfig{}, sampleSummary())); strings.Contains(out, "TIME") {
		t.Errorf("a header over the summary: %q", out)
	}
}

func TestTextColumnsAreUnderTheirNames(t *testing.T) {
	lines := strings.Split(string(printed(t, TextConfig{}, sampleRecord())), "\n")
	for name, value := range map[string]string{
		"TIME": "18:10", "COMM": "nginx", "DR": "tx", "TYPE": "data", "OP": "sendfile", "LOCAL": ":443 > 192.0.2.9:5",
	} {
		if i, j := strings.Index(lines[0], name), strings.Index(lines[1], value); i != j {
			t.Errorf("%s is in column %d, %s in %d", name, i, value, j)
		}
	}
	for name, value := range map[string]string{"PID": "4242", "SEQ": "12 ", "LEN": "16384", "LAT": "6.41us"} {
		i := strings.Index(lines[0], name) + len(name)
		if j := strings.Index(lines[1], value) + len(strings.TrimSpace(value)); i != j {
			t.Errorf("%s ends in column %d, %s in %d", name, i, value, j)
		}
	}
}

func TestSanitize(t *testing.T) {
	if got := Sanitize("a\x1b[1mb"); got != "a\uFFFD[1mb" {
		t.Errorf("got %q", got)
	}
}

// A summary says where nothing was measured, and what was skipped all the same.
func TestCostNotMeasured(t *testing.T) {
	s := sampleSummary()
	s.Lost, s.CostOver, s.Cost = nil, 0, []event.ProgramCost{{Name: "open_enter", Skipped: 3}}
	text := string(printed(t, TextConfig{}, s))
	for _, want := range []string{"cost: not measured (--cost)\n", "skipped by the kernel: at most 3 runs of BPF programs; no record is missing"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	line := string(encode(t, s))
	for _, want := range []string{`"cost_measured":false`, `"skipped":3`} {
		if !strings.Contains(line, want) || strings.Contains(line, "cost_over_ns") {
			t.Errorf("%q is not in, or cost_over_ns is, in:\n%s", want, line)
		}
	}
}

// Whoever reads that programs were skipped reads whether records are missing.
func TestWhatIsMissingOfSkipped(t *testing.T) {
	for _, c := range []struct {
		skipped uint64
		lost    map[string]uint64
		want    string
	}{
		{0, map[string]uint64{"gap": 1}, ""},
		{2, nil, "no record is missing; times, bytes or errors may be unknown\n"},
		{2, map[string]uint64{"gap": 0}, "no record is missing; times, bytes or errors may be unknown\n"},
		{2, map[string]uint64{"gap": 1}, "perhaps part of the loss; times, bytes or errors may be unknown\n"},
	} {
		s := sampleSummary()
		s.Lost, s.Cost = c.lost, []event.ProgramCost{{Name: "open_enter", Skipped: c.skipped}}
		text := string(printed(t, TextConfig{}, s))
		if c.want == "" && strings.Contains(text, "skipped") || !strings.Contains(text, c.want) {
			t.Errorf("%d skipped, lost %v: no %q in\n%s", c.skipped, c.lost, c.want, text)
		}
	}
}

// A program that takes a kernel thread's name is not shown as one.
func TestShortNames(t *testing.T) {
	for _, c := range []struct {
		comm   string
		kernel bool
		want   string
	}{
		{"nginx", false, "nginx"}, {"nvme", true, "k:nvme"}, {"k:nvme", false, "k\xffnvme"}, {"k:", false, "k\xff"},
		{"kernel:nvme", false, "kernel\xffnvme"}, {"kernel:x", true, "k:kernel:x"}, {"k", false, "k"}, {"", false, ""},
	} {
		p := event.Process{Comm: event.MakeComm(c.comm), Kernel: c.kernel}
		if got := string(appendShort([]byte("a "), &p)); got != "a "+c.want {
			t.Errorf("%q, kernel thread %v, is shown as %q, want %q", c.comm, c.kernel, got, c.want)
		}
	}
}
