package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// exemplars are the last slow record of each bucket. Unlike labels, they may identify a
// record.
type exemplars map[int]prometheus.Exemplar

// mark keeps a record with its time.
func (m *exemplars) mark(r *event.Record, at time.Time) {
	if *m == nil {
		*m = exemplars{}
	}
	// A value above all buckets is in +Inf.
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
