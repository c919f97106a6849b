package source

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// at is a recording with an event at each of these times.
func at(times ...time.Duration) *Reader {
	var text strings.Builder
	for _, d := range times {
		fmt.Fprintf(&text, `{"v":1,"type":"lost","ts":"2026-11-22T18:10:00.000000000Z","mono_ns":%d,"cause":"c","count":1}`+"\n", d)
	}
	return NewReader(strings.NewReader(text.String()))
}

func TestPlayerKeepsThePace(t *testing.T) {
	for _, c := range []struct {
		speed float64
		want  string
	}{
		{1, "0s 1.5s 1.5s 4s"}, {2, "0s 750ms 750ms 2s"}, {0.5, "0s 3s 3s 8s"}, {0, "0s 0s 0s 0s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var got []string
			p := &Player{Reader: at(10*time.Second, 11500*time.Millisecond, 11*time.Second, 14*time.Second), Speed: c.speed}
			p.Handle = func(event.Event) { got = append(got, time.Since(begin).String()) }
			if err := p.Play(t.Context()); err != nil || strings.Join(got, " ") != c.want {
				t.Errorf("speed %v: %v at %v, want %s", c.speed, err, got, c.want)
			}
			time.Sleep(time.Hour)
			if now := time.Duration(p.Now()); now != 14*time.Second || !p.Over() {
				t.Errorf("at the end it is %v", now)
			}
		})
	}
}

func TestPlayerClockRunsBetweenEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Player{Reader: at(10*time.Second, 20*time.Second), Speed: 2, Handle: func(event.Event) {}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Play(ctx) }()
		time.Sleep(2 * time.Second)
		if now := time.Duration(p.Now()); now != 14*time.Second || p.Over() {
			t.Errorf("after 2 s at twice the pace it is %v", now)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestPlayerClockNeverGoesBack: who watches takes the last picture for older than
// the one before, and does not show it.
func TestPlayerClockNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Player{Reader: at(10*time.Second, 11*time.Second), Speed: 1}
		var slow uint64
		p.Handle = func(event.Event) {
			time.Sleep(5 * time.Second)
			slow = p.Now()
		}
		if err := p.Play(t.Context()); err != nil {
			t.Fatal(err)
		}
		if end := p.Now(); slow != uint64(20*time.Second) || end != slow {
			t.Errorf("at the last event it is %v, at the end %v", time.Duration(slow), time.Duration(end))
		}
	})
}

func TestPlayerReportsSeconds(t *testing.T) {
	var got []string
	p := &Player{Handle: func(event.Event) {}}
	p.Reader = at(10*time.Second, 10500*time.Millisecond, 12*time.Second, 11*time.Second, 100*time.Second, 1<<63-1)
	p.Second = func(mono uint64) { got = append(got, time.Duration(mono).String()) }
	if err := p.Play(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "10s 11s 12s 1m39s 1m40s 2562047h47m15s 2562047h47m16s"
	if strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
