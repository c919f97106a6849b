package loader

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestNotFound: a socket that the kernel counts and that the inventory does not meet is told
// as lost; with all of the inventory it is found, and nothing is lost.
func TestNotFound(t *testing.T) {
	needGuest(t)
	guesttest.OnOneKernel(t)
	_, b := kernelTLS(t)
	way, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(way[0])
	defer unix.Close(way[1])
	if err := unix.Sendmsg(way[0], []byte{0}, unix.UnixRights(fdOf(t, b)), nil, 0); err != nil {
		t.Fatal(err)
	}
	b.Close() // it is in no task's files any more, and open
	for lacking, want := range map[string]struct {
		found int
		lost  uint64
	}{groupKernels: {1, 1}, "": {2, 0}} {
		found, lost := inventoryOf(t, Config{ListOnly: true, refuses: func(_ *Config, name string) bool { return name == lacking }})
		if found != want.found || lost != want.lost {
			t.Errorf("without %q: %d found and %d not, want %+v", lacking, found, lost, want)
		}
	}
}

// inventoryOf returns how many sockets are found, and how many are told as not found.
func inventoryOf(t *testing.T, cfg Config) (found int, lost uint64) {
	t.Helper()
	tr, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = tr.Run(ctx, func(ev event.Event) error {
		switch ev := ev.(type) {
		case *event.Socket:
			found++
		case *event.Lost:
			if ev.Cause != CauseNotFound || ev.HasDir {
				t.Errorf("%+v", ev)
			}
			lost += ev.Count
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found, lost
}
