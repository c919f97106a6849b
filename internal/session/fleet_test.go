package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// feed reports what a test wants, and then nothing until ctx ends.
type feed struct {
	address string
	events  []event.Event
	fail    error
	handled chan struct{} // closed when all was handled
}

func (f *feed) Next(ctx context.Context) (event.Event, error) {
	if len(f.events) == 0 {
		if f.fail != nil {
			return nil, f.fail
		}
		close(f.handled)
		<-ctx.Done()
		return nil, io.EOF
	}
	ev := f.events[0]
	f.events = f.events[1:]
	return ev, nil
}

func (f *feed) Address() string     { return f.address }
func (f *feed) Offset(uint64) int64 { return 0 }

// webs are two hosts of one name, whose clocks are far apart, with one connection each of
// the same number.
func webs() (feeds []Feed, handled []chan struct{}) {
	for i, mono := range []uint64{1e9, 1e15} {
		f := &feed{address: fmt.Sprintf("192.0.2.%d:9998", i+1), handled: make(chan struct{})}
		f.events = []event.Event{
			&event.Host{State: event.HostHere, Name: "web", Kernel: "6.12", Mono: mono, Missing: []string{"x: no y"}},
			&event.Socket{State: event.SocketFound, Conn: event.Conn{ID: 5}, TX: event.TLS{Mode: event.ModeSW}, Mono: mono},
			&event.Record{Conn: event.Conn{ID: 5}, Type: event.ApplicationData, Seq: 9, Len: 100, Mono: mono + 1},
		}
		if i == 1 {
			f.events = append(f.events, &event.Lost{Cause: "feed_full", Count: 3, Mono: mono + 2},
				&event.Host{State: event.HostAway, Name: "web", Reason: "gone", Mono: mono + 3})
		}
		feeds, handled = append(feeds, f), append(handled, f.handled)
	}
	return feeds, handled
}

// TestFleet: one picture of both, on one clock, with who is away.
func TestFleet(t *testing.T) {
	feeds, handled := webs()
	f := NewFleet(feeds, About{Version: "1"})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	for _, c := range handled {
		<-c
	}
	s := f.Snapshot()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(s.Rows) != 2 || s.Rows[0].Conn.ID == s.Rows[1].Conn.ID || s.Rows[0].Conn.Host == s.Rows[1].Conn.Host {
		t.Fatalf("%d rows: %+v", len(s.Rows), s.Rows)
	}
	for _, r := range s.Rows {
		if age := r.Age(s.Mono); age < 0 || age > time.Minute || r.Last > s.Mono {
			t.Errorf("%s: %v old", r.Conn.Host, age)
		}
	}
	if s.Lost["feed_full"] != 3 || s.Totals.Records[event.TX] != 2 {
		t.Errorf("lost %v, %+v", s.Lost, s.Totals)
	}
	first, second := s.Run.Hosts[0], s.Run.Hosts[1]
	if first.Away || !second.Away || second.Reason != "gone" || first.Name == second.Name || !strings.HasPrefix(second.Name, "web") {
		t.Errorf("hosts %+v, %+v", first, second)
	}
	if len(s.Run.Notes) != 2 || !strings.Contains(s.Run.Notes[0], "lacks x: no y") {
		t.Errorf("notes %q", s.Run.Notes)
	}
}

// keeps remembers what it is written.
type keeps struct {
	events []event.Event
	clock  sink.Clock
	times  []int64
	enough int
}

func (k *keeps) Write(ev event.Event) error {
	k.events, k.times = append(k.events, ev), append(k.times, k.clock.Offset(0))
	if len(k.events) == k.enough {
		return sink.ErrStopped
	}
	return nil
}
func (k *keeps) Flush() error { return nil }

// TestFollower: each event says whose it is, and each host has its summary.
func TestFollower(t *testing.T) {
	feeds, handled := webs()
	f := NewFollower(feeds, 0)
	k := &keeps{clock: f}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for _, c := range handled {
			<-c
		}
		cancel()
	}()
	if read, written := f.Follow(ctx, k); read != nil || written != nil {
		t.Fatal(read, written)
	}
	of := map[string]int{}
	summaries := 0
	for _, ev := range k.events {
		of[event.HostOf(ev)]++
		if s, ok := ev.(*event.Summary); ok {
			summaries++
			if s.Totals.Records[event.TX] != 1 || s.Sockets != 1 || len(s.Missing) != 1 || s.Lost["feed_full"] != 3 && s.Lost["feed_full"] != 0 {
				t.Errorf("%s: %+v", s.Host, s)
			}
		}
	}
	if len(of) != 2 || of[""] != 0 || len(k.events) != 10 || summaries != 2 {
		t.Errorf("%d events of %v, %d summaries", len(k.events), of, summaries)
	}
}

// TestFollowerOfOne changes nothing in what the host said.
func TestFollowerOfOne(t *testing.T) {
	feeds, _ := webs()
	f := NewFollower(feeds[:1], 1)
	k := &keeps{clock: f}
	if read, written := f.Follow(t.Context(), k); read != nil || written != nil {
		t.Fatal(read, written)
	}
	if len(k.events) != 4 || k.events[2].(*event.Record).Conn != (event.Conn{ID: 5}) || k.events[2].Time() != 1e9+1 {
		t.Errorf("%d events, the third %+v", len(k.events), k.events[2])
	}
	if s, ok := k.events[3].(*event.Summary); !ok || s.Host != "" || s.Totals.Records[event.TX] != 1 {
		t.Errorf("the limit was one record: %+v", k.events[3])
	}
}

// TestFollowerEnds with its output, and with a host that is none.
func TestFollowerEnds(t *testing.T) {
	feeds, _ := webs()
	f := NewFollower(feeds, 0)
	if read, written := f.Follow(t.Context(), &keeps{clock: f, enough: 2}); read != nil || written != nil {
		t.Errorf("an output that was given up: %v, %v", read, written)
	}
	bad := errors.New("no feed")
	f = NewFollower([]Feed{&feed{fail: bad}}, 0)
	if read, written := f.Follow(t.Context(), &keeps{clock: f}); !errors.Is(read, bad) || written != nil {
		t.Errorf("%v, %v", read, written)
	}
	if err := NewFleet([]Feed{&feed{fail: bad}}, About{}).Run(t.Context()); !errors.Is(err, bad) {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	n := NewNames(3)
	for i, want := range []string{"web", "web@b:1", "c:1"} {
		if got := n.Of(i, []string{"web", "web", ""}[i], []string{"a:1", "b:1", "c:1"}[i]); got != want {
			t.Errorf("host %d is %q, want %q", i, got, want)
		}
	}
	if got := n.Of(0, "other", "a:1"); got != "web" {
		t.Errorf("a name that was given became %q", got)
	}
}
