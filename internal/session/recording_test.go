package session

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// ending is a sink that ends with an error.
type ending struct{ err error }

func (e ending) Write(event.Event) error { return e.err }
func (e ending) Flush() error            { return e.err }

// TestCopy: which of the two ended how. That the output was given up is no error.
func TestCopy(t *testing.T) {
	whole, err := os.ReadFile("../../docs/picture/recording.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for _, c := range []struct {
		name          string
		file          []byte
		ends          error
		read, written error
	}{
		{name: "all", file: whole},
		{name: "cut", file: whole[:len(whole)-10], read: source.ErrCut},
		{name: "given up", file: whole, ends: fmt.Errorf("the file: %w", sink.ErrStopped)},
		{name: "a full disk", file: whole, ends: broken, written: broken},
	} {
		read, written := Copy(t.Context(), source.NewReader(bytes.NewReader(c.file)), ending{c.ends})
		if !errors.Is(read, c.read) || !errors.Is(written, c.written) {
			t.Errorf("%s: the reading ends with %v, the writing with %v", c.name, read, written)
		}
	}
}

// play plays a recording at once and returns the last picture.
func play(t *testing.T, p *Recording) *flow.Snapshot {
	t.Helper()
	if err := p.Play(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p.Snapshot()
}

// opened is a file that source.Open has looked into.
func opened(t *testing.T, text []byte) *source.Reader {
	t.Helper()
	name := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r, file, err := source.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return r
}

// TestRecordings: two are twice one, whether they are two files or one file of two hosts
// whose clocks are far apart.
func TestRecordings(t *testing.T) {
	whole, err := os.ReadFile("../../docs/picture/recording.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	alone := NewRecording(opened(t, whole), "one", "1", 0)
	one := play(t, alone)
	var both []byte
	for line := range bytes.Lines(whole) {
		other := bytes.Replace(line, []byte(`"mono_ns":`), []byte(`"host":"b","mono_ns":9`), 1)
		both = append(append(both, bytes.Replace(line, []byte(`"mono_ns":`), []byte(`"host":"a","mono_ns":`), 1)...), other...)
	}
	for name, p := range map[string]*Recording{
		"two files": NewRecordings([]*source.Reader{opened(t, whole), opened(t, whole)}, []string{"a", "b"}, "1", 0),
		"one file":  NewRecording(opened(t, both), "both", "1", 0),
	} {
		s := play(t, p)
		if !p.Several() || alone.Several() || len(s.Hosts) != 2 || s.Totals.Records[0] != 2*one.Totals.Records[0] || s.Counts.Opened != 2*one.Counts.Opened {
			t.Errorf("%s: %d hosts, %d connections, %+v; of one %d, %+v", name, len(s.Hosts), s.Counts.Opened, s.Totals, one.Counts.Opened, one.Totals)
		}
		if lasted, want := s.Mono, one.Mono; lasted > want+1e9 || lasted+1e9 < want {
			t.Errorf("%s: it ends at %d, and one at %d", name, lasted, want)
		}
	}
}
