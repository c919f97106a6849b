package loader

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/objecttest"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

func TestCauses(t *testing.T) {
	names, values := objecttest.Enumerators(t, objecttest.Header(t, "ktls_event.h"), "lost")
	for _, id := range names {
		want := strings.ToLower(strings.TrimPrefix(id, "LOST_"))
		if id == "LOST_MAX" {
			if values[id] != kernelCauses {
				t.Errorf("the kernel counts %d causes of loss, causes names %d", values[id], kernelCauses)
			}
			continue
		}
		if i := values[id]; i >= kernelCauses || causes[i] != want {
			t.Errorf("%s = %d is not called %q", id, i, want)
		}
	}
}

// Each cause has its line in the reference, as what a user finds in "lost".
func TestCausesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, cause := range causes {
		line := regexp.MustCompile("(?m)^\\| (`[a-z_]+`, )*`" + cause + "`[,a-z_` ]* \\| ")
		if !line.Match(doc) {
			t.Errorf("docs/events.md has no line for the cause %s", cause)
		}
	}
}

// Both ways to hook the kernel keep the same in their maps.
func TestMaps(t *testing.T) {
	kprobe, err := object.LoadKprobe()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		key, value int
	}{
		{"lost", 4, 8},
		{"want_pid", 4, 1}, {"want_name", len(event.Comm{}), 1},
	} {
		for about, spec := range map[string]*ebpf.CollectionSpec{"fentry": objecttest.Object(t), "kprobe": kprobe} {
			m := spec.Maps[c.name]
			if m == nil || int(m.KeySize) != c.key || int(m.ValueSize) != c.value {
				t.Errorf("%s: map %s is %v, want keys of %d and values of %d bytes", about, c.name, m, c.key, c.value)
			}
		}
	}
	spec := objecttest.Object(t)
	hot := spec.Variables["hot"]
	size := unsafe.Sizeof(object.KtlsConn{})
	if hot == nil || uintptr(hot.Size()) != hotPlaces*size || uintptr(spec.Maps["conns"].ValueSize) != size {
		t.Fatalf("hot and conns are %v and %v, want %d values and values of %d bytes", hot, spec.Maps["conns"], hotPlaces, size)
	}
	if m, size := kprobe.Maps["conns"], unsafe.Sizeof(object.KprobeConn{}); uintptr(m.ValueSize) != size {
		t.Errorf("kprobe: map conns is %v, want values of %d bytes", m, size)
	}
	if n := hotPlaces + spec.Maps["conns"].MaxEntries; n != event.MaxConns {
		t.Errorf("the kernel has room for %d connections, event.MaxConns is %d", n, event.MaxConns)
	}
	if n, want := spec.Maps["pending"].ValueSize, wire.EventSize+8; int(n) != want {
		t.Errorf("what waits takes %d bytes, want an event and its record's address, %d", n, want)
	}
	if n := spec.Maps["lost"].MaxEntries; int(n) != 2*kernelCauses {
		t.Errorf("the kernel has %d counters of losses, want two for each of %d causes", n, kernelCauses)
	}
}
