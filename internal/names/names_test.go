package names

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ktlstop/ktlstop/internal/cgroup"
	"github.com/ktlstop/ktlstop/internal/kubelet"
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

func (t *tree) Refresh(context.Context) {}
func (t *tree) Run(context.Context)     {}
func (t *tree) Note() string            { return "" }

func filled(n *Names, id uint64) *event.Place {
	p := event.Process{CgroupID: id}
	n.Fill(&p)
	return p.Place
}

func TestFill(t *testing.T) {
	x := &tree{places: map[uint64]cgroup.Place{7: {Unit: "nginx.service"}, 8: {Unit: "system.slice", Container: "abc"}}}
	n := newNames(x, nil)
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

// A pod has its UID at once, gets its names when the kubelet has reported them, and keeps
// them.
func TestFillPod(t *testing.T) {
	const uid = "0d1e2f3a-4b5c-6d7e-8f90-a1b2c3d4e5f6"
	var answer atomic.Value // of a string
	answer.Store(`{"kind":"PodList","items":[{"metadata":{"namespace":"shop","name":"web","uid":"` + uid + `"}}]}`)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer.Load()) }))
	defer s.Close()
	pods, err := kubelet.New(kubelet.Config{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	n := newNames(&tree{places: map[uint64]cgroup.Place{7: {Unit: "kubepods.slice", Container: "inner", PodUID: uid, PodContainer: "outer"}}}, pods)
	want := event.Place{Unit: "kubepods.slice", Container: "inner", PodUID: uid}
	check := func(what string) {
		t.Helper()
		if at := filled(n, 7); *at != want || at != filled(n, 7) {
			t.Errorf("%s: %+v, want %+v", what, *at, want)
		}
	}
	check("not asked")
	n.Prepare(t.Context())
	want.Namespace, want.Pod = "shop", "web"
	check("a container that has just begun")
	answer.Store(strings.Replace(answer.Load().(string), `}}]`, `},"status":{"containerStatuses":[{"name":"front","containerID":"x://outer"}]}}]`, 1))
	n.Prepare(t.Context())
	want.ContainerName = "front"
	check("known")
	answer.Store(`{"kind":"PodList","items":[]}`)
	n.Prepare(t.Context())
	check("gone")
	answer.Store("")
	if n.Prepare(t.Context()); n.Outage() == nil {
		t.Error("an outage is not reported")
	}
	check("not reported any more")
}

func BenchmarkFill(b *testing.B) {
	n := newNames(&tree{places: map[uint64]cgroup.Place{7: {Unit: "nginx.service"}}}, nil)
	p := event.Process{CgroupID: 7}
	b.ReportAllocs()
	for b.Loop() {
		n.Fill(&p)
	}
}
