package metrics

import "github.com/ktlstop/ktlstop/pkg/event"

// manyRecords is the number of records from which a bucket of the kernel, which has 32
// bits, may soon wrap.
const manyRecords = 1 << 31

// wide follows the buckets of the few connections with many records.
type wide map[uint64]*wideConn

type wideConn struct {
	sums tally
	last [2][stages + 1]event.Log2Hist
}

// follow returns the kernel's sums of a connection without wraps, nil if the sample is
// right as it is.
func (w wide) follow(s *event.Sample) *tally {
	c := w[s.Conn.ID]
	switch {
	case c != nil:
		c.update(s)
	case max(s.Totals.Records[0], s.Totals.Records[1]) < manyRecords:
		return nil
	default:
		c = new(wideConn)
		c.sums.load(s)
		c.last = s.Lat
		w[s.Conn.ID] = c
	}
	if s.Final {
		delete(w, s.Conn.ID)
	}
	return &c.sums
}

func (c *wideConn) update(s *event.Sample) {
	for d := range c.sums {
		side := &c.sums[d]
		side.records, side.bytes = s.Totals.Records[d], s.Totals.Bytes[d]
		for i := range side.lat {
			h, now, before := &side.lat[i], &s.Lat[d][i], &c.last[d][i]
			h.sum, h.max = now.Sum, now.Max
			for k := range h.n {
				h.n[k] += uint64(now.N[k] - before.N[k]) // of 32 bits, as the kernel counts
			}
		}
	}
	c.last = s.Lat
}
