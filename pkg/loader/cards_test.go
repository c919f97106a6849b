package loader

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

// lacking is a backend whose kernel lacks something of what network cards need.
type lacking struct {
	backend
	looks int
}

func (b *lacking) attachCards(_ context.Context, wait bool) (map[string]*ebpf.Program, []string) {
	b.looks++
	if !wait && b.looks == 1 { // it is still being attached
		return nil, nil
	}
	return nil, []string{"a hook"}
}

// What network cards lack is in the list of what is missing, which is read when a run has begun; what is found out later
// is said then.
func TestMissingCardHooksAreReported(t *testing.T) {
	var said []string
	opening := &Tracer{backend: &lacking{}, notice: func(line string) { said = append(said, line) }}
	opening.pollCards(t.Context(), true)
	if len(said) != 0 {
		t.Errorf("said before anybody listens: %q", said)
	}
	running := &Tracer{backend: &lacking{}, notice: opening.notice}
	running.pollCards(t.Context(), false)
	running.pollCards(t.Context(), false)
	if want := []string{"this kernel lacks a hook"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

// A signal while a run is opened does not wait for what network cards need.
func TestCardsAreStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := loadCards(ctx, new(Config), nil)
	<-c.done
	if len(c.programs) != 0 || len(c.missing) != 1 || !strings.Contains(c.missing[0], ErrStopped.Error()) {
		t.Errorf("%d programs, %q", len(c.programs), c.missing)
	}
}
