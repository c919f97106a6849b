package sink

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// readBack reads all lines back.
func readBack(t *testing.T, text []byte) (events []event.Event, offset int64) {
	t.Helper()
	r := source.NewReader(bytes.NewReader(text))
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return events, r.Offset()
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		events = append(events, ev)
	}
}

// again encodes what was decoded from text.
func again(t *testing.T, text []byte) []byte {
	t.Helper()
	events, offset := readBack(t, text)
	return encodeAt(t, offset, events)
}

// kernels leaves out what inspect made of records: a recording of it is read for
// its records.
func kernels(events []event.Event) (out []event.Event) {
	for _, ev := range events {
		switch ev.(type) {
		case *finding.HTTP, *finding.Exchange, *finding.Note:
		default:
			out = append(out, ev)
		}
	}
	return out
}

func TestRoundTripOfSamples(t *testing.T) {
	text := encode(t, kernels(samples())...)
	if got := again(t, text); !bytes.Equal(got, text) {
		t.Errorf("%s\nbecame\n%s", text, got)
	}
}

// TestRoundTrip: whatever an event holds, its line decodes to an event with the
// same line.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(400) {
		g := newGenerator(seed)
		for _, ev := range kernels(g.events()) {
			if s, ok := ev.(*event.Summary); ok {
				s.Lost, s.Evicted = readable(s.Lost), readable(s.Evicted)
			}
			text := encode(t, ev)
			if got := again(t, text); !bytes.Equal(got, text) {
				t.Fatalf("seed %d: %s\nbecame\n%s", seed, text, got)
			}
		}
	}
}

// readable names counts as the program does: of other bytes two names could become
// one.
func readable(counts map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for name, n := range counts {
		out[strings.ToValidUTF8(name, "?")] = n
	}
	return out
}

// TestForgedKernelThread: no name that a program gives itself makes a kernel
// thread of it, neither in the line nor in what is read back.
func TestForgedKernelThread(t *testing.T) {
	r := sampleRecord()
	r.Proc.Comm, r.Proc.Kernel = event.MakeComm("kernel:nvme"), false
	text := encode(t, r)
	if bytes.Contains(text, []byte("kernel:")) {
		t.Errorf("a program is written as a kernel thread: %s", text)
	}
	events, _ := readBack(t, text)
	if got := events[0].(*event.Record).Proc; got.Kernel {
		t.Errorf("a program is read as the kernel thread %q", got.Name())
	}
	if got := again(t, text); !bytes.Equal(got, text) {
		t.Errorf("%s\nbecame\n%s", text, got)
	}
}
