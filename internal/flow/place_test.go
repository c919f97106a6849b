package flow

import (
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// placed is a sample of a connection of a cgroup's process, with as many records sent.
func placed(id uint64, cgroup uint64, at *event.Place, records uint64) *event.Sample {
	return &event.Sample{
		Conn: event.Conn{ID: id}, Mono: second, Totals: event.Totals{Records: [2]uint64{records, 0}},
		Proc: event.Process{PID: uint32(id), CgroupID: cgroup, Place: at},
	}
}

// A unit and a pod have the connections of all their cgroups; what is in neither is in a
// group without a unit, and in no pod.
func TestGroupsByPlace(t *testing.T) {
	front := &event.Place{Unit: "kubepods.slice", Namespace: "shop", Pod: "web", ContainerName: "front", PodUID: "u1"}
	side := &event.Place{Unit: "kubepods.slice", Namespace: "shop", Pod: "web", ContainerName: "side", PodUID: "u1"}
	tab := NewTable(Config{Sampled: true})
	tab.ApplySample(placed(1, 7, front, 1))
	tab.ApplySample(placed(2, 8, side, 10))
	tab.ApplySample(placed(3, 9, &event.Place{Unit: "kubepods.slice", PodUID: "u2"}, 100))
	tab.ApplySample(placed(4, 0, nil, 1000))
	s := tab.Snapshot(second)
	sums := func(groups []*Group) map[event.Place]uint64 {
		m := map[event.Place]uint64{}
		for _, g := range groups {
			m[g.Proc.In()] += g.Totals.Records[event.TX]
		}
		return m
	}
	units, pods := sums(s.Units), sums(s.Pods)
	if len(s.Cgroups) != 4 || len(units) != 2 || units[event.Place{Unit: "kubepods.slice"}] != 111 || units[event.Place{}] != 1000 {
		t.Errorf("%d cgroups, by unit %v", len(s.Cgroups), units)
	}
	if len(pods) != 2 || pods[event.Place{Namespace: "shop", Pod: "web", PodUID: "u1"}] != 11 || pods[event.Place{PodUID: "u2"}] != 100 {
		t.Errorf("by pod %v", pods)
	}
}

// Names that are known later come to a connection that does nothing meanwhile.
func TestLateNames(t *testing.T) {
	tab := NewTable(Config{Sampled: true})
	tab.ApplySample(placed(1, 7, &event.Place{PodUID: "u1"}, 5))
	before := tab.Snapshot(second)
	named := &event.Place{PodUID: "u1", Namespace: "shop", Pod: "web"}
	tab.ApplySample(placed(1, 7, named, 5))
	after := tab.Snapshot(2 * second)
	if at := after.Rows[0].Proc.Place; at != named {
		t.Errorf("the names of an idle connection are %+v", at)
	}
	if len(after.Pods) != 1 || after.Pods[0].Proc.In().Pod != "web" || before.Rows[0].Proc.In().Pod != "" {
		t.Errorf("pods %+v", after.Pods)
	}
}
