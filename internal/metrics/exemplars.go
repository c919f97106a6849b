package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// exemplars are the last slow record of each bucket. They are no labels: of one record
// each, they may name it.
type exemplars map[int]prometheus.Exemplar

// mark keeps a record that took so long.
func (m *exemplars) mark(r *event.Record, at time.Time) {
	if *m == nil {
		*m = exemplars{}
	}
	// What is in no bucket below lies in that of +Inf.
	k := min(max(bucketOf(r.Lat.Total), firstBucket), lastBucket+1)
	(*m)[k] = prometheus.Exemplar{
		Value:     float64(r.Lat.Total) / 1e9,
		Timestamp: at,
		Labels: prometheus.Labels{
			"cookie": strconv.FormatUint(r.Conn.Cookie, 10),
			"seq":    strconv.FormatUint(r.Seq, 10),
			"pid":    strconv.FormatUint(uint64(r.Proc.PID), 10),
		},
	}
}

func (m exemplars) list() (all []prometheus.Exemplar) {
	for _, e := range m {
		all = append(all, e)
	}
	return all
}
