package loader

import (
	"slices"
	"testing"

	"github.com/cilium/ebpf"
)

// lacking is a backend whose kernel lacks something of what network cards need.
type lacking struct {
	backend
	looks int
}

func (b *lacking) lookForCards(wait bool) (map[string]*ebpf.Program, []string) {
	b.looks++
	if !wait && b.looks == 1 { // it is still being attached
		return nil, nil
	}
	return nil, []string{"a hook"}
}

// What network cards lack is in the list of what is missing, which is read when a run has begun; what is found out later
// is said then.
func TestLackOfCardsIsSaid(t *testing.T) {
	var said []string
	opening := &Tracer{backend: &lacking{}, notice: func(line string) { said = append(said, line) }}
	opening.stepCards(true)
	if len(said) != 0 {
		t.Errorf("said before anybody listens: %q", said)
	}
	running := &Tracer{backend: &lacking{}, notice: opening.notice}
	running.stepCards(false)
	running.stepCards(false)
	if want := []string{"this kernel lacks a hook"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}
