package feed

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/sink/schematest"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// station is a Hub with a trace that writes the events of a test, and a server.
type station struct {
	*Hub
	url    string
	events chan event.Event // taken by the trace
	traces atomic.Int32     // how many have started
	ended  chan struct{}    // gets a token when a trace has ended
	cancel func()
	over   chan struct{}
}

// errBreak as an event makes the trace fail.
type errBreak struct{ event.Event }

func (errBreak) Error() string { return "the buffer is gone" }

// busy as an event keeps the trace busy until it is closed.
type busy struct {
	event.Event
	until chan struct{}
}

// newStation runs a Hub with fail, if not nil, in place of a trace.
func newStation(t *testing.T, cfg Config, fail error) *station {
	s := &station{events: make(chan event.Event), ended: make(chan struct{}, 100), over: make(chan struct{})}
	var mono atomic.Uint64
	mono.Store(1e9)
	cfg.Clock, cfg.Mono = sink.FixedClock(1795370908888888899), func() uint64 { return mono.Add(1) }
	cfg.Host.Name, cfg.Host.Version = "web1", "0.9"
	cfg.Trace = func(ctx context.Context, live func([]string), out sink.Sink) error {
		s.traces.Add(1)
		defer func() { s.ended <- struct{}{} }()
		if fail != nil {
			return fail
		}
		live([]string{"tls_x: no x"})
		for {
			select {
			case ev := <-s.events:
				switch ev := ev.(type) {
				case errBreak:
					return ev
				case busy:
					<-ev.until
					continue
				}
				if err := errors.Join(out.Write(ev), out.Flush()); err != nil {
					return err
				}
			case <-ctx.Done():
				return out.Write(&event.Summary{Missing: []string{"tls_x: no x"}})
			}
		}
	}
	s.Hub = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	go func() { defer close(s.over); s.Run(ctx) }()
	server := httptest.NewServer(s)
	s.url = server.URL
	t.Cleanup(func() { cancel(); <-s.over; server.Close() })
	return s
}

// client reads a feed.
type client struct {
	t     *testing.T
	resp  *http.Response
	lines *bufio.Scanner
}

func (s *station) get(t *testing.T, query string) *client {
	t.Helper()
	resp, err := http.Get(s.url + query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &client{t, resp, bufio.NewScanner(resp.Body)}
}

// next returns the next event, which must arrive and match the schema.
func (c *client) next() event.Event {
	c.t.Helper()
	if !c.lines.Scan() {
		c.t.Fatalf("the feed ended: %v", c.lines.Err())
	}
	schematest.Validate(c.t, c.lines.Bytes())
	ev, err := source.NewReader(strings.NewReader(c.lines.Text() + "\n")).Next()
	if err != nil {
		c.t.Fatal(err)
	}
	return ev
}

// rest returns all remaining events.
func (c *client) rest() (out []event.Event) {
	for c.lines.Scan() {
		schematest.Validate(c.t, c.lines.Bytes())
		ev, err := source.NewReader(strings.NewReader(c.lines.Text() + "\n")).Next()
		if err != nil {
			c.t.Fatal(err)
		}
		out = append(out, ev)
	}
	return out
}

func conn(id uint64) event.Conn {
	return event.Conn{ID: id, Cookie: id, Family: event.FamilyINET, LAddr: netip.MustParseAddr("192.0.2.1"), LPort: 443,
		RAddr: netip.MustParseAddr("192.0.2.9"), RPort: uint16(id)}
}

var (
	tls  = event.TLS{Version: 0x0304, Cipher: 52, Mode: event.ModeSW}
	proc = event.Process{PID: 42, TID: 42, Comm: event.MakeComm("nginx")}
)

func record(id, seq uint64) *event.Record {
	return &event.Record{Conn: conn(id), TLS: tls, Proc: proc, Seq: seq, Type: event.ApplicationData, Len: 100, Mono: 5}
}

func socket(id uint64, state event.SocketState) *event.Socket {
	return &event.Socket{State: state, Conn: conn(id), Proc: proc, TX: tls, Mono: 4}
}

// TestReadersWhoComeLater: each gets the host, the open connections and their positions,
// the events from then on, and a summary of these alone.
func TestReadersWhoComeLater(t *testing.T) {
	s := newStation(t, Config{}, nil)
	first := s.get(t, "")
	if got := first.resp.Header.Get("Content-Type"); got != event.FeedType {
		t.Errorf("Content-Type %q", got)
	}
	host, ok := first.next().(*event.Host)
	if !ok || host.Name != "web1" || host.State != event.HostHere || len(host.Missing) != 1 {
		t.Fatalf("it begins with %+v", host)
	}
	for _, ev := range []event.Event{socket(7, event.SocketOpen), socket(8, event.SocketOpen), record(7, 0), record(7, 1), socket(8, event.SocketClose)} {
		s.events <- ev
		first.next()
	}
	second := s.get(t, "")
	second.next()
	found, ok := second.next().(*event.Socket)
	if !ok || found.State != event.SocketFound || found.Conn.Cookie != 7 || found.NextTX != 2 || found.Totals.Records[event.TX] != 2 {
		t.Fatalf("the second one finds %+v", found)
	}
	s.events <- record(7, 2)
	for _, c := range []*client{first, second} {
		if r, ok := c.next().(*event.Record); !ok || r.Seq != 2 {
			t.Errorf("got %+v", r)
		}
	}
	s.cancel()
	for i, c := range []*client{first, second} {
		rest := c.rest()
		sum, ok := rest[len(rest)-1].(*event.Summary)
		if want := [2]uint64{3, 1}[i]; !ok || len(rest) != 1 || sum.Totals.Records[event.TX] != want || sum.Sockets != [2]uint64{2, 1}[i] {
			t.Errorf("reader %d ends with %+v", i, sum)
		}
	}
	if n := s.traces.Load(); n != 1 {
		t.Errorf("%d traces", n)
	}
}

// TestOnlyWhileSomebodyReads: the trace starts with the first reader, ends after the last
// has left, and starts again.
func TestOnlyWhileSomebodyReads(t *testing.T) {
	s := newStation(t, Config{Linger: time.Millisecond}, nil)
	if s.traces.Load() != 0 {
		t.Fatal("a trace without readers")
	}
	for round := range int32(3) {
		c := s.get(t, "")
		c.next()
		if n := s.traces.Load(); n != round+1 {
			t.Fatalf("%d traces in round %d", n, round)
		}
		c.resp.Body.Close()
		<-s.ended
	}
}

// TestAThousandWhoTakeNothing: readers that stall delay neither the run nor a reader that
// reads, and the lines that each of them loses are counted.
func TestAThousandWhoTakeNothing(t *testing.T) {
	const slow, events = 1000, 300
	s := newStation(t, Config{Readers: slow + 1, QueueBytes: 16 << 10}, nil)
	good := s.get(t, "")
	good.next()
	stuck := make(chan struct{})
	defer close(stuck)
	for range slow {
		r := &reader{joined: make(chan struct{}), ended: make(chan struct{})}
		r.queue = sink.NewQueue(blocked{stuck}, sink.QueueConfig{Bytes: s.cfg.QueueBytes})
		r.out = sink.NewShare(r.queue)
		if err := s.enter(r); err != nil {
			t.Fatal(err)
		}
	}
	for seq := range uint64(events) {
		s.events <- record(7, seq)
		if r, ok := good.next().(*event.Record); !ok || r.Seq != seq {
			t.Fatalf("instead of %d came %+v", seq, r)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.readers[1:] {
		sum, _ := r.out.End(r.had.Summary(), func(event.Event) error { return nil })
		lost, had := sum.Lost[sink.CauseFeed], sum.Totals.Records[event.TX]
		if lost == 0 || lost+had != events {
			t.Fatalf("%d lost, %d had of %d", lost, had, events)
		}
	}
}

// blocked reads nothing.
type blocked struct{ until chan struct{} }

func (b blocked) Write([]byte) (int, error) { <-b.until; return 0, io.ErrClosedPipe }
func (b blocked) Close() error              { return nil }

// TestAClientThatReadsNothing is dropped after a while, and its place is free.
func TestAClientThatReadsNothing(t *testing.T) {
	s := newStation(t, Config{StallTimeout: 100 * time.Millisecond, Linger: time.Hour}, nil)
	s.get(t, "") // and never reads
	deadline := time.Now().Add(time.Minute)
	for seq := uint64(0); s.reading() > 0; seq++ {
		if time.Now().After(deadline) {
			t.Fatal("it still has its place")
		}
		s.events <- record(7, seq)
	}
}

func (s *station) reading() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.readers)
}

// TestStreamsOutliveDeadlines: the server's deadlines are for requests that end.
func TestStreamsOutliveDeadlines(t *testing.T) {
	s := newStation(t, Config{}, nil)
	const brief = 500 * time.Millisecond // a TLS handshake must be done by then
	server := httptest.NewUnstartedServer(s)
	server.Config.ReadTimeout, server.Config.WriteTimeout = brief, brief
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	defer s.cancel()
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		web := server.Client()
		transport := web.Transport.(*http.Transport).Clone()
		transport.ForceAttemptHTTP2 = proto == "HTTP/2.0"
		if proto == "HTTP/1.1" {
			transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
		resp, err := (&http.Client{Transport: transport}).Get(server.URL)
		if err != nil || resp.Proto != proto {
			t.Fatalf("%v: %+v", err, resp)
		}
		c := &client{t, resp, bufio.NewScanner(resp.Body)}
		c.next()
		for began, seq := time.Now(), uint64(0); time.Since(began) < 2*brief; seq++ {
			s.events <- record(7, seq)
			c.next()
		}
		resp.Body.Close()
	}
}

// TestLossIsReported: a reader that was too slow gets the count of its losses as soon as
// there is room.
func TestLossIsReported(t *testing.T) {
	s := newStation(t, Config{QueueBytes: 4 << 10}, nil)
	wake := make(chan struct{})
	var got strings.Builder
	r := &reader{joined: make(chan struct{}), ended: make(chan struct{})}
	r.queue = sink.NewQueue(&dammed{wake: wake, out: &got}, sink.QueueConfig{Bytes: s.cfg.QueueBytes})
	r.out = sink.NewShare(r.queue)
	if err := s.enter(r); err != nil {
		t.Fatal(err)
	}
	<-r.joined
	for seq := range uint64(100) {
		s.events <- record(7, seq)
	}
	close(wake)
	s.cancel()
	<-s.over
	if err := r.queue.Close(nil); err != nil {
		t.Fatal(err)
	}
	schematest.ValidateAll(t, []byte(got.String()))
	if !strings.Contains(got.String(), `"type":"lost"`) || !strings.Contains(got.String(), `"cause":"feed_full"`) {
		t.Errorf("no loss in\n%s", got.String())
	}
}

// dammed reads nothing until it is woken.
type dammed struct {
	wake chan struct{}
	out  io.Writer
}

func (d *dammed) Write(p []byte) (int, error) { <-d.wake; return d.out.Write(p) }
func (d *dammed) Close() error                { return nil }

// TestNoPlaintext: whatever the trace writes, no byte of plaintext leaves.
func TestNoPlaintext(t *testing.T) {
	s := newStation(t, Config{}, nil)
	c := s.get(t, "")
	c.next()
	r := record(7, 0)
	r.Payload = []byte("secret")
	s.events <- r
	s.events <- &finding.HTTP{Conn: conn(7), Proc: proc, TLS: tls}
	s.events <- &finding.Exchange{Conn: conn(7), Proc: proc, TLS: tls, Detail: "secret"}
	s.events <- &finding.Note{Conn: conn(7), Proc: proc}
	s.events <- record(7, 1)
	for seq := range uint64(2) {
		if got, ok := c.next().(*event.Record); !ok || got.Seq != seq || got.Payload != nil {
			t.Errorf("came %+v", got)
		}
	}
	if string(r.Payload) != "secret" {
		t.Error("the trace's own record was changed")
	}
}

func TestFilters(t *testing.T) {
	s := newStation(t, Config{}, nil)
	big := s.get(t, "?match="+url.QueryEscape("len > 1k"))
	curl := s.get(t, "?comm=curl&comm=wget")
	big.next()
	curl.next()
	small, large, other := record(7, 0), record(7, 1), record(8, 0)
	large.Len, other.Proc.Comm = 2000, event.MakeComm("curl")
	for _, ev := range []event.Event{small, large, other, &event.Lost{Cause: "ring_full", Count: 3, Mono: 5}} {
		s.events <- ev
	}
	for c, want := range map[*client]*event.Record{big: large, curl: other} {
		if r, ok := c.next().(*event.Record); !ok || r.Len != want.Len || r.Proc.Comm != want.Proc.Comm {
			t.Errorf("came %+v", r)
		}
		if l, ok := c.next().(*event.Lost); !ok || l.Count != 3 {
			t.Errorf("losses are reported to all: %+v", l)
		}
	}
	s.cancel()
	if sum, ok := big.next().(*event.Summary); !ok || sum.Unmatched != 2 {
		t.Errorf("the filter kept 2 records back: %+v", sum)
	}
}

func TestRefuses(t *testing.T) {
	s := newStation(t, Config{Readers: 1}, nil)
	for query, want := range map[string]string{
		"?match=len+%3E": "match:", "?match=a&match=b": "match", "?what=1": "what", "?match=payload+contains+%22x%22": "no plaintext",
	} {
		c := s.get(t, query)
		text, _ := io.ReadAll(c.resp.Body)
		if c.resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), want) || strings.Count(string(text), "\n") != 1 {
			t.Errorf("%s: %s %q", query, c.resp.Status, text)
		}
	}
	if resp, err := http.Post(s.url, "text/plain", nil); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v %v", resp, err)
	}
	if resp, err := http.Head(s.url); err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != event.FeedType {
		t.Errorf("HEAD: %v %v", resp, err)
	}
	if s.traces.Load() != 0 {
		t.Error("what is refused begins no trace")
	}
	s.get(t, "").next()
	c := s.get(t, "")
	if c.resp.StatusCode != http.StatusServiceUnavailable || c.resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", c.resp.Status)
	}
	s.cancel()
	<-s.over
	if c := s.get(t, ""); c.resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after the end: %s", c.resp.Status)
	}
}

// TestATraceThatFails: waiting readers get the reason, and no other trace starts for a
// while.
func TestATraceThatFails(t *testing.T) {
	s := newStation(t, Config{}, errors.New("the kernel has no hooks"))
	for range 2 {
		c := s.get(t, "")
		text, _ := io.ReadAll(c.resp.Body)
		if c.resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), "the kernel has no hooks") {
			t.Errorf("%s %q", c.resp.Status, text)
		}
	}
	if n := s.traces.Load(); n != 1 {
		t.Errorf("%d traces", n)
	}
}

// TestWhyATraceEnded: readers learn that the trace failed, or that serve ended without
// sending everything.
func TestWhyATraceEnded(t *testing.T) {
	slow := busy{until: make(chan struct{})}
	for why, end := range map[string]func(*station){
		"failed":   func(s *station) { s.events <- errBreak{} },
		"shutdown": func(s *station) { s.events <- slow; s.cancel() },
	} {
		s := newStation(t, Config{}, nil)
		c := s.get(t, "")
		c.next()
		end(s)
		if sum, ok := c.next().(*event.Summary); !ok || sum.Stopped != why {
			t.Errorf("%s: %+v", why, sum)
		}
	}
	close(slow.until)
}

// TestAlsoIsAttended: while there is no trace, Config.Also is still flushed, so that it
// sees the clock and its requests.
func TestAlsoIsAttended(t *testing.T) {
	k := &asked{flushed: make(chan struct{}, 1)}
	s := newStation(t, Config{Also: k}, errors.New("the kernel has no hooks"))
	<-s.ended
	for range 3 {
		<-k.flushed
	}
}

// asked reports that it was flushed.
type asked struct{ flushed chan struct{} }

func (*asked) Write(event.Event) error { return nil }
func (a *asked) Flush() error {
	select {
	case a.flushed <- struct{}{}:
	default:
	}
	return nil
}

// keeper counts what it gets.
type keeper struct{ records, summaries atomic.Int32 }

func (k *keeper) Write(ev event.Event) error {
	switch ev.(type) {
	case *event.Record:
		k.records.Add(1)
	case *event.Summary:
		k.summaries.Add(1)
	}
	return nil
}
func (k *keeper) Flush() error { return nil }

// TestAlso: with Config.Also, which wants all events, the trace needs no reader.
func TestAlso(t *testing.T) {
	k := new(keeper)
	s := newStation(t, Config{Also: k}, nil)
	s.events <- record(7, 0)
	c := s.get(t, "")
	c.next()
	s.events <- record(7, 1)
	c.next()
	s.cancel()
	<-s.over
	if k.records.Load() != 2 || k.summaries.Load() != 1 || s.traces.Load() != 1 {
		t.Errorf("%d records, %d summaries, %d traces", k.records.Load(), k.summaries.Load(), s.traces.Load())
	}
}
