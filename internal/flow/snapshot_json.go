package flow

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// MarshalJSON writes what the dashboard shows: totals, connections, groups, the
// timeline, the chosen connection, and the run, in the words of the event
// schema. Payload is in it where the snapshot has some.
func (s *Snapshot) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		V       int       `json:"v"`
		Type    string    `json:"type"`
		TS      time.Time `json:"ts"`
		Mono    uint64    `json:"mono_ns"`
		Elapsed int64     `json:"rates_over_ns"`

		Open    int               `json:"open"`
		SW      int               `json:"sw"`
		HW      int               `json:"hw"`
		Opened  uint64            `json:"opened"`
		Closed  uint64            `json:"closed"`
		Errors  uint64            `json:"errors"`
		Dropped uint64            `json:"dropped,omitempty"`
		TX      sideJSON          `json:"tx"`
		RX      sideJSON          `json:"rx"`
		Lost    map[string]uint64 `json:"lost"`
		Total   uint64            `json:"lost_total"`

		Duplicates uint64 `json:"duplicates"`
		Forgotten  uint64 `json:"forgotten"`
		Evicted    uint64 `json:"evicted"`
		Untracked  uint64 `json:"untracked"`

		Conns     []rowJSON    `json:"connections"`
		Processes []groupJSON  `json:"processes"`
		Cgroups   []groupJSON  `json:"cgroups"`
		Hosts     []groupJSON  `json:"hosts,omitempty"`
		Units     []groupJSON  `json:"units"`
		Pods      []groupJSON  `json:"pods,omitempty"`
		Moments   []momentJSON `json:"events"`
		Detail    *detailJSON  `json:"detail,omitempty"`
		Run       *runJSON     `json:"run,omitempty"`
	}{
		V: 1, Type: "snapshot", TS: s.Wall(s.Mono).UTC(), Mono: s.Mono, Elapsed: int64(s.Elapsed),
		Open: s.Open, SW: s.SW, HW: s.HW, Opened: s.Counts.Opened, Closed: s.Counts.Closed, Errors: s.Counts.Errors, Dropped: s.Counts.Dropped,
		TX: side(&s.Totals, &s.Rate, event.TX), RX: side(&s.Totals, &s.Rate, event.RX),
		Lost: nonNil(s.Lost), Total: s.LostTotal,
		Duplicates: s.Duplicates, Forgotten: s.Forgotten, Evicted: s.Counts.Evicted, Untracked: s.Counts.Untracked,
		Conns: convert(s.Rows, rowOf), Processes: convert(s.Processes, groupOf), Cgroups: convert(s.Cgroups, groupOf),
		Units: convert(s.Units, groupOf), Pods: convert(s.Pods, groupOf), Hosts: convert(s.Hosts, groupOf),
		Moments: convert(s.Moments, momentOf), Detail: detailOf(s.Detail), Run: runOf(s.Run),
	})
}

func nonNil(m map[string]uint64) map[string]uint64 {
	if m == nil {
		return map[string]uint64{}
	}
	return maps.Clone(m)
}

func convert[T, J any](list []T, f func(T) J) []J {
	out := make([]J, 0, len(list))
	for _, v := range list {
		out = append(out, f(v))
	}
	return out
}
