package sink

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// outputTo is an Output of text.
func outputTo(below io.WriteCloser) *Output {
	q := NewQueue(below, QueueConfig{})
	return &Output{Sink: NewText(q, TextConfig{Clock: FixedClock(0), Location: time.UTC}), Queue: q, Name: "the file",
		GiveUp: func() <-chan struct{} { return nil }}
}

// TestOutputNames: an error says which file it is about, and is returned once.
func TestOutputNames(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := outputTo(full)
	if err := out.Write(sampleRecord()); err != nil {
		t.Fatal(err)
	}
	err = out.Close()
	if err == nil || !strings.HasPrefix(err.Error(), "write the events to the file: ") || !strings.HasSuffix(err.Error(), "no space left on device") {
		t.Errorf("close: %v", err)
	}
	if again := out.Write(sampleRecord()); again == nil || !strings.Contains(again.Error(), "the file") {
		t.Errorf("write behind it: %v", again)
	}
	if again := out.Close(); again != nil {
		t.Errorf("a close that says it again: %v", again)
	}
}

// TestOutputGivesUp: what was not taken is reported in lines, or in bytes where there
// are none.
func TestOutputGivesUp(t *testing.T) {
	for _, c := range []struct {
		raw  bool
		want string
	}{{false, "3 lines were not written to the file, "}, {true, " bytes were not written to the file, "}} {
		below := newStuck()
		defer close(below.release)
		out := outputTo(below)
		out.Raw, out.GiveUp = c.raw, closed
		for range 2 { // behind the heading
			if err := out.Write(sampleRecord()); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Close(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// TestOutputEnds: that somebody has enough is no error of a file.
func TestOutputEnds(t *testing.T) {
	out := &Output{Sink: ends{ErrEnough}, Name: "the file"}
	if err := out.Write(sampleRecord()); !errors.Is(err, ErrEnough) || strings.Contains(err.Error(), "the file") {
		t.Error(err)
	}
}

// ends is a sink with an error.
type ends struct{ err error }

func (e ends) Write(event.Event) error { return e.err }
func (e ends) Flush() error            { return e.err }

// forgets is a sink that makes packets.
type forgets struct{ ends }

func (forgets) Forgotten() uint64 { return 5 }

// TestOutputForgets: what a sink forgot is reported when it is closed.
func TestOutputForgets(t *testing.T) {
	var notices []string
	out := outputTo(devNull{})
	out.Sink, out.Notice = forgets{}, func(s string) { notices = append(notices, s) }
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if len(notices) != 1 || !strings.HasPrefix(notices[0], "5 connections were forgotten") {
		t.Errorf("reported %q", notices)
	}
}
