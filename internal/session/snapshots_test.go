package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// stuck is a file that takes nothing until it is released.
type stuck struct {
	bytes.Buffer
	release chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) { <-s.release; return s.Buffer.Write(b) }
func (*stuck) Close() error                  { return nil }

// asked counts how often a snapshot has been made.
type asked struct {
	*replayed
	snapshots chan struct{}
}

func (a *asked) Rings() []loader.BufferUsage {
	select {
	case a.snapshots <- struct{}{}:
	default:
	}
	return nil
}

// TestWriteSnapshots: while nobody reads them they are left out and counted. The
// last, which has all records, is there.
func TestWriteSnapshots(t *testing.T) {
	for _, fails := range []error{nil, &loader.CostError{}} {
		_, r := sessionOf(recordsOf(7, 10), Config{})
		a := &asked{r, make(chan struct{})}
		s := newSession(a, Config{Watch: true})
		defer s.Close()
		out := &stuck{release: make(chan struct{})}
		q := sink.NewQueue(out, sink.QueueConfig{Bytes: 1})
		if _, err := q.Put([]byte("it is full\n"), sink.Last); err != nil {
			t.Fatal(err)
		}
		leftOut, err := WriteSnapshots(t.Context(), s, q, time.Millisecond, func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx, nil) }()
			<-a.snapshots
			<-a.snapshots // so what to do with the first is decided
			cancel()
			return errors.Join(<-ended, fails)
		})
		if !errors.Is(err, fails) || leftOut == 0 {
			t.Errorf("%v, %d left out", err, leftOut)
		}
		close(out.release)
		if err := q.Close(nil); err != nil {
			t.Fatal(err)
		}
		lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
		var last struct {
			TX struct{ Records uint64 }
		}
		if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.TX.Records != 10 || len(lines) != 2 {
			t.Errorf("%d lines, the last has %d records, %v: %.300s", len(lines), last.TX.Records, err, lines[len(lines)-1])
		}
	}
}

// TestSnapshotsEnd: where nobody wants them the run ends.
func TestSnapshotsEnd(t *testing.T) {
	s, _ := sessionOf(recordsOf(7, 10), Config{Watch: true})
	defer s.Close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	q := sink.NewQueue(full, sink.QueueConfig{})
	_, err = WriteSnapshots(t.Context(), s, q, time.Millisecond, func(ctx context.Context) error { return s.Run(ctx, nil) })
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("it ends with %v", err)
	}
}
