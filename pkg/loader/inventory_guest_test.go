package loader

import (
	"context"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestNotFound: a socket that is in no task's files is found although another ends, which
// was met, before the kernel's count is looked at. Without that part of the inventory it is
// reported as lost, and what begins meanwhile is not.
func TestNotFound(t *testing.T) {
	needGuest(t)
	guesttest.OnOneKernel(t)
	for name, c := range map[string]struct {
		lacking string
		begin   bool
		found   int
		lost    uint64
	}{
		"one ends":                     {"", false, 4, 0},
		"one ends, and two more begin": {groupKernels, true, 5, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inFlight(t)
			_, ends := kernelTLS(t) // it receives, as the one in flight does
			cfg := Config{ListOnly: true, refuses: func(_ *Config, name string) bool { return name == c.lacking }}
			cfg.walked = sync.OnceFunc(func() {
				if c.begin {
					kernelTLS(t)
				}
				ends.Close() // last: list does not distinguish a socket from one that had its place before
			})
			if found, lost := inventoryOf(t, cfg); found != c.found || lost != c.lost {
				t.Errorf("%d found and %d not, want %d and %d", found, lost, c.found, c.lost)
			}
		})
	}
}

// inFlight leaves two connected sockets with kernel TLS open to the end of the test: one of
// them is in no task's files.
func inFlight(t *testing.T) {
	t.Helper()
	_, b := kernelTLS(t)
	way, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(way[0]); unix.Close(way[1]) })
	if err := unix.Sendmsg(way[0], []byte{0}, unix.UnixRights(fdOf(t, b)), nil, 0); err != nil {
		t.Fatal(err)
	}
	b.Close()
}

// inventoryOf returns how many sockets are found, and how many are reported as not found.
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
