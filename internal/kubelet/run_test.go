package kubelet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// asked counts at which seconds of a run the kubelet was asked.
type asked struct {
	pods  *Pods
	begin time.Time

	mu       sync.Mutex
	at       []int
	answer   map[string]*pod
	err      error
	reported []error
}

func newAsked() *asked {
	a := &asked{begin: time.Now()}
	a.pods = newPods(Config{Notify: func(err error) { a.reported = append(a.reported, err) }})
	a.pods.ask = func(context.Context) (map[string]*pod, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.at = append(a.at, int(time.Since(a.begin)/time.Second))
		return a.answer, a.err
	}
	return a
}

func (a *asked) answers(pods map[string]*pod, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer, a.err = pods, err
}

// run runs the pods until the test ends, or the function returned is called.
func (a *asked) run(t *testing.T) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.pods.Run(ctx)
	}()
	synctest.Wait()
	end = func() {
		cancel()
		<-done
	}
	t.Cleanup(end)
	return end
}

func (a *asked) check(t *testing.T, want ...int) {
	t.Helper()
	if !slices.Equal(a.at, want) {
		t.Errorf("asked at %d, not at %d", a.at, want)
	}
}

func pass(d time.Duration) {
	time.Sleep(d) // of synctest's clock
	synctest.Wait()
}

func TestAsksEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked()
		end := a.run(t)
		a.run(t) // waits
		pass(200 * time.Second)
		a.check(t, 60, 120, 180)
		end()
		pass(130 * time.Second) // in its place
		a.check(t, 60, 120, 180, 260, 320)
	})
}

// A pod that is unknown is asked for soon, and one that stays unknown at growing
// intervals.
func TestAsksForWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked()
		a.run(t)
		pass(10 * time.Second)
		a.pods.Find("new", "c")
		synctest.Wait()
		a.check(t, 10)
		a.answers(map[string]*pod{"new": {containers: map[string]string{"c": "web"}}}, nil)
		a.pods.Find("new", "c") // asked for already
		pass(time.Second)
		a.check(t, 10)
		a.pods.Find("other", "")
		pass(time.Second)
		a.check(t, 10, 12)
		if n, whole := a.pods.Find("new", "c"); n.Container != "web" || !whole {
			t.Errorf("%+v", n)
		}
		for range 100 { // at 13, 14, ...
			a.pods.Find("other", "")
			pass(time.Second)
		}
		a.check(t, 10, 12, 14, 17, 25, 41, 73)
	})
}

// An outage is reported once, and so is its end; it does not cause more requests.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked()
		no := errors.New("no")
		a.answers(nil, no)
		a.run(t)
		for range 300 {
			a.pods.Find("new", time.Now().String())
			pass(time.Second)
		}
		a.check(t, 2, 6, 14, 30, 62, 122, 182, 242)
		if len(a.reported) != 1 || a.reported[0] != no || a.pods.Outage() != no {
			t.Errorf("reported %v", a.reported)
		}
		a.answers(nil, nil)
		pass(2 * time.Minute)
		if len(a.reported) != 2 || a.reported[1] != nil || a.pods.Outage() != nil {
			t.Errorf("reported %v", a.reported)
		}
	})
}
