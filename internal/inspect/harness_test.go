package inspect

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// shown is an Output that keeps its input.
type shown struct {
	payload [2][]byte
	text    []byte
	records []event.Record
	http    []finding.HTTP
	said    []finding.Exchange
	notes   []string
}

func (o *shown) Record(r *event.Record, pieces []Piece) error {
	o.payload[r.Dir] = append(o.payload[r.Dir], r.Payload...)
	o.text = AppendText(o.text, r, pieces)
	kept := *r
	kept.Payload = slices.Clone(r.Payload)
	o.records = append(o.records, kept)
	return nil
}

func (o *shown) Write(ev event.Event) error {
	switch ev := ev.(type) {
	case *finding.HTTP:
		o.http = append(o.http, *ev)
	case *finding.Exchange:
		o.said = append(o.said, *ev)
	case *finding.Note:
		o.notes = append(o.notes, ev.Text)
	}
	return nil
}

func (o *shown) Flush() error { return nil }

// feed makes records for an Inspector.
type feed struct {
	hide func(*event.Record) bool // what a filter suppresses
	t    testing.TB
	in   *Inspector
	out  *shown
	conn event.Conn
	// version is the version of TLS; start is the first sequence number that the trace
	// can have seen.
	version event.Version
	start   uint64
	mono    uint64
	seq     [2]uint64
}

func newFeed(t testing.TB, cfg Config, patterns ...string) *feed {
	t.Helper()
	if cfg.Rules == nil {
		rules, err := NewRules(patterns)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Rules = rules
	}
	cfg.Join = true // which does not change one connection, and must evict it
	f := &feed{t: t, out: &shown{}}
	f.in = New(f.out, cfg)
	f.in.strict = true
	f.conn = event.Conn{ID: 1, Cookie: 7, Family: event.FamilyINET,
		LAddr: netip.MustParseAddr("192.0.2.1"), LPort: 443, RAddr: netip.MustParseAddr("192.0.2.9"), RPort: 1024}
	return f
}

// open reports that the connection's beginning was seen.
func (f *feed) open(dirs ...event.Dir) *feed {
	s := &event.Socket{State: event.SocketOpen, Conn: f.conn}
	for _, d := range dirs {
		if s.Dir = d; d == event.TX {
			s.TX.Mode = event.ModeSW
		} else {
			s.RX.Mode = event.ModeSW
		}
		f.write(s)
	}
	return f
}

// both opens both directions.
func (f *feed) both() *feed { return f.open(event.TX, event.RX) }

func (f *feed) write(ev event.Event) {
	f.t.Helper()
	write := f.in.Write
	if r, ok := ev.(*event.Record); ok && f.hide != nil && f.hide(r) {
		write = func(event.Event) error { return f.in.Hide(r) }
	}
	if err := write(ev); err != nil {
		f.t.Fatal(err)
	}
}

func (f *feed) record(d event.Dir, payload []byte) *event.Record {
	f.mono += 1000
	r := &event.Record{Conn: f.conn, Dir: d, Seq: f.seq[d], Type: event.ApplicationData, Len: uint32(len(payload)),
		HasStart: true, Mono: f.mono, Payload: slices.Clone(payload), Proc: event.Process{PID: 42, Comm: event.MakeComm("nginx")}}
	r.TLS.Version, r.Start = f.version, f.start
	f.seq[d]++
	return r
}

// send sends a record whose payload was captured completely.
func (f *feed) send(d event.Dir, payload string) *feed {
	f.t.Helper()
	f.write(f.record(d, []byte(payload)))
	return f
}

// sendCut sends a record of which only the first bytes were captured.
func (f *feed) sendCut(d event.Dir, payload string, captured int) *feed {
	r := f.record(d, []byte(payload))
	r.Payload = r.Payload[:captured]
	f.write(r)
	return f
}

// lose skips a record that was not seen.
func (f *feed) lose(d event.Dir) *feed {
	f.seq[d]++
	return f
}

// split sends bytes in records that end at the given offsets.
func (f *feed) split(d event.Dir, payload []byte, ends ...int) *feed {
	from := 0
	for _, to := range append(ends, len(payload)) {
		f.write(f.record(d, payload[from:to]))
		from = to
	}
	return f
}

// conns are the followed connections, the longest idle first.
func (f *feed) conns() (all []*conn) {
	for _, c := range f.in.conns.All() {
		all = append(all, c)
	}
	return all
}

// close ends the connection and checks the rules for every run.
func (f *feed) close() *shown {
	f.t.Helper()
	f.write(&event.Socket{State: event.SocketClose, Conn: f.conn})
	if j := f.in.join; j != nil && (j.listed != 0 || len(j.proxies) != 0) {
		f.t.Errorf("%d legs of %d processes are held", j.listed, len(j.proxies))
	}
	if f.in.held != 0 || f.in.conns.Len() != 0 {
		f.t.Errorf("%d bytes and %d connections are held", f.in.held, f.in.conns.Len())
	}
	var seq [2][]uint64
	for _, r := range f.out.records {
		seq[r.Dir] = append(seq[r.Dir], r.Seq)
	}
	for d := range seq {
		if !slices.IsSorted(seq[d]) {
			f.t.Errorf("records came out as %v", seq[d])
		}
	}
	return f.out
}

func checkText(t testing.TB, text []byte) {
	t.Helper()
	for _, b := range text {
		if b < ' ' && b != '\n' || b == 0x7f {
			t.Fatalf("a control character in %q", text)
		}
	}
	if bytes.Contains(text, []byte("\u009b")) {
		t.Fatalf("CSI in %q", text)
	}
}
