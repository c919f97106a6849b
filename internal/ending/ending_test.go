package ending

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// program is one that is about to end. Time is that of synctest.
type program struct {
	*Ending
	signals chan os.Signal
	at      time.Time // of the first signal
	exits   chan exit
}

// exit is how it ended.
type exit struct {
	status int
	lasted time.Duration // from the signal on
	late   bool
}

func start() *program {
	p := &program{signals: make(chan os.Signal, 2), exits: make(chan exit, 2)}
	late := false
	p.Ending = New(func() { late = true }, func(status int) { p.exits <- exit{status, time.Since(p.at), late} })
	go p.Follow(p.signals)
	return p
}

func (p *program) signal() {
	p.at = time.Now()
	p.signals <- syscall.SIGINT
	<-p.Context().Done()
}

// ends waits for the end and checks it.
func (p *program) ends(t *testing.T, status int, lasted time.Duration) {
	t.Helper()
	time.Sleep(3 * time.Hour) // whatever a test does has an end by then
	synctest.Wait()
	want := exit{status, lasted, status == 1}
	if n, got := len(p.exits), <-p.exits; n != 1 || got != want {
		t.Errorf("%d ends, %+v, want %+v", n, got, want)
	}
}

// TestStuck: what waits for a reader is left behind after two seconds.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start()
		p.signal()
		p.ends(t, 1, 2*time.Second)
	})
}

// TestSecondSignal ends it at once, whatever goes on.
func TestSecondSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start()
		go p.Busy(func() error { time.Sleep(time.Hour); return nil })
		p.signal()
		p.signals <- syscall.SIGTERM
		p.ends(t, 130, 0)
	})
}

// TestWork: the kernel has the time that it takes, and what follows has its own.
func TestWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start()
		go func() {
			_ = p.Busy(func() error { time.Sleep(5 * time.Second); return nil })
			_ = p.Busy(func() error { time.Sleep(3 * time.Second); return nil })
		}()
		synctest.Wait()
		p.signal()
		p.ends(t, 1, 8*time.Second+lateTime)
	})
}

// TestGiveUp: outputs have until shortly before the end, and some time where it is
// late; without a signal they have as long as they like.
func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start()
		early := p.GiveUp()
		time.Sleep(time.Hour)
		select {
		case <-early:
			t.Fatal("it is given up without a signal")
		default:
		}
		go p.Busy(func() error { time.Sleep(3 * time.Second); return nil })
		synctest.Wait()
		p.signal()
		<-early
		given := []time.Duration{time.Since(p.at)}
		time.Sleep(p.at.Add(3 * time.Second).Sub(time.Now()))
		<-p.GiveUp()
		given = append(given, time.Since(p.at))
		if given[0] != outputGrace || given[1] != 3*time.Second+lateTime {
			t.Errorf("given up after %v", given)
		}
		synctest.Wait()
		if len(p.exits) > 0 {
			t.Error("it ends before the output can say so")
		}
		p.ends(t, 1, 3*time.Second+2*lateTime)
	})
}

// TestAtExit: what is still to be undone is, for a moment at most.
func TestAtExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start()
		undone := map[string]bool{}
		p.AtExit(func() { undone["done"] = true })()
		p.AtExit(func() { undone["not done"] = true })
		p.signal()
		p.ends(t, 1, 2*time.Second)
		if undone["done"] || !undone["not done"] {
			t.Errorf("undone are %v", undone)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := start()
		p.AtExit(func() { time.Sleep(time.Hour) })
		p.signal()
		p.ends(t, 1, 2*time.Second+graceTime)
	})
}
