package names

import (
	"testing"

	"github.com/ktlstop/ktlstop/internal/cgroup"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// tree is an index that counts how often it is asked.
type tree struct {
	places map[uint64]cgroup.Place
	asked  int
}

func (t *tree) Place(id uint64) (cgroup.Place, bool) {
	t.asked++
	p, ok := t.places[id]
	return p, ok
}

func (t *tree) Note() string { return "" }

func filled(n *Names, id uint64) *event.Place {
	p := event.Process{CgroupID: id}
	n.Fill(&p)
	return p.Place
}

func TestFill(t *testing.T) {
	x := &tree{places: map[uint64]cgroup.Place{7: {Unit: "nginx.service"}, 8: {Unit: "system.slice", Container: "abc"}}}
	n := newNames(x)
	if at := filled(n, 7); at == nil || *at != (event.Place{Unit: "nginx.service"}) {
		t.Errorf("a unit is %+v", at)
	}
	if at := filled(n, 8); at == nil || *at != (event.Place{Unit: "system.slice", Container: "abc"}) {
		t.Errorf("a container is %+v", at)
	}
	if filled(n, 7) != filled(n, 7) || x.asked != 2 {
		t.Errorf("a cgroup is looked up again: %d times in all", x.asked)
	}
	if filled(n, 0) != nil || x.asked != 2 {
		t.Error("no cgroup is looked up")
	}
	if filled(n, 9) != nil {
		t.Error("a place where there is none")
	}
	x.places[9] = cgroup.Place{Unit: "late.service"}
	if at := filled(n, 9); at == nil || at.Unit != "late.service" {
		t.Errorf("what was not found stays so: %+v", at)
	}
	if filled(nil, 7) != nil || (*Names)(nil).Notes() != nil {
		t.Error("nil knows names")
	}
}

func BenchmarkFill(b *testing.B) {
	n := newNames(&tree{places: map[uint64]cgroup.Place{7: {Unit: "nginx.service"}}})
	p := event.Process{CgroupID: 7}
	b.ReportAllocs()
	for b.Loop() {
		n.Fill(&p)
	}
}
