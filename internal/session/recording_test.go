package session

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

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
