package session

import (
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// fakeWall is a wall clock that tests set.
type fakeWall struct {
	offset   time.Duration
	reads    int
	reported []string
}

func (w *fakeWall) read() time.Duration {
	w.reads++
	return w.offset
}

func (w *fakeWall) tell(s string) { w.reported = append(w.reported, s) }

const second = uint64(time.Second)

func TestClockFollowsSteps(t *testing.T) {
	w := &fakeWall{offset: 1000 * time.Hour}
	c := newClock(w.read, w.tell, 5*second)
	expect := func(mono uint64, want time.Duration, reported ...string) {
		t.Helper()
		if got := time.Duration(c.Offset(mono)); got != want {
			t.Errorf("at %d the offset is %v, want %v", mono, got, want)
		}
		if len(w.reported) != len(reported) {
			t.Fatalf("reported %q", w.reported)
		}
		for i := range reported {
			if !strings.Contains(w.reported[i], reported[i]) {
				t.Errorf("reported %q, want %q in it", w.reported[i], reported[i])
			}
		}
	}
	expect(5*second, 1000*time.Hour)
	w.offset += 3 * time.Hour
	expect(6*second-1, 1000*time.Hour) // not a second yet
	expect(6*second, 1003*time.Hour, "forward by 3h0m0s")
	expect(6*second+1, 1003*time.Hour, "forward")
	expect(3*second, 1003*time.Hour, "forward") // an event that comes late
	w.offset -= 200 * time.Millisecond
	expect(7*second, 1003*time.Hour-200*time.Millisecond, "forward", "back by 200ms")
	expect(8*second, 1003*time.Hour-200*time.Millisecond, "forward", "back")
	if note := c.note(); !strings.Contains(note, "back by 200ms") || !strings.Contains(note, "2 times") {
		t.Errorf("the note is %q", note)
	}
}

// After however long a quiet time, a step is a step.
func TestClockReportsStepAfterQuietTime(t *testing.T) {
	w := &fakeWall{}
	c := newClock(w.read, w.tell, 0)
	at := second
	for ; at < 7200*second; at += second {
		c.Offset(at)
	}
	w.offset += 50 * time.Millisecond
	if got := time.Duration(c.Offset(at)); got != w.offset {
		t.Errorf("the offset is %v, want %v", got, w.offset)
	}
	c.Offset(at + second)
	if len(w.reported) != 1 || !strings.Contains(w.reported[0], "forward by 50ms") {
		t.Errorf("reported %q", w.reported)
	}
}

// The notice's receiver may look at the clock.
func TestClockIsReadableInNotice(t *testing.T) {
	w := &fakeWall{}
	var c *Clock
	reported := int64(-1)
	c = newClock(w.read, func(string) { reported = c.Offset(2 * second) }, 0)
	w.offset = time.Hour
	c.Offset(second)
	if reported != int64(time.Hour) {
		t.Errorf("the notice's receiver saw %v", time.Duration(reported))
	}
}

// Two readings of an offset that stays the same differ a little.
func TestClockIgnoresNoise(t *testing.T) {
	w := &fakeWall{}
	c := newClock(w.read, w.tell, 0)
	for at := second; at < 10*second; at += second {
		w.offset = time.Duration(at%7) * time.Microsecond
		if got := c.Offset(at); got != 0 {
			t.Fatalf("the offset is %d", got)
		}
	}
}

func TestClockReadsOnceASecond(t *testing.T) {
	w := &fakeWall{}
	c := newClock(w.read, nil, 0)
	for at := uint64(0); at < 10*second; at += second / 1000 {
		c.Offset(at)
	}
	if w.reads != 10 {
		t.Errorf("read %d times in ten seconds", w.reads)
	}
}

func TestClockDoesNotAllocate(t *testing.T) {
	w := &fakeWall{}
	c := newClock(w.read, nil, 0)
	at := uint64(0)
	if n := testing.AllocsPerRun(1000, func() { at += second / 10; c.Offset(at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What is written follows a step within a second, and snapshots do.
func TestTimesFollowTheClock(t *testing.T) {
	w := &fakeWall{offset: time.Duration(time.Date(2026, 11, 29, 6, 0, 0, 0, time.UTC).UnixNano())}
	clock := newClock(w.read, nil, 0)
	j := sink.NewJSON(nil, clock, event.TierNone)
	var out []byte
	for _, mono := range []uint64{second / 2, second, 3 * second / 2} {
		out = j.AppendEvent(out, &event.Lost{Mono: mono})
		w.offset += time.Hour
	}
	for _, ts := range []string{"06:00:00.500000000", "07:00:01.000000000", "07:00:01.500000000"} {
		if !strings.Contains(string(out), `"ts":"2026-11-29T`+ts+`Z"`) {
			t.Errorf("%s is not in:\n%s", ts, out)
		}
	}

	s, _ := sessionOf(nil, Config{Watch: true, Clock: clock})
	snap := s.Snapshot() // long after the last look
	if snap.Offset != int64(w.offset) {
		t.Errorf("the snapshot's offset is %v, want %v", time.Duration(snap.Offset), w.offset)
	}
	if notes := strings.Join(snap.Run.Notes, "\n"); !strings.Contains(notes, "forward by 2h0m0s") {
		t.Errorf("the snapshot notes:\n%s", notes)
	}
}
