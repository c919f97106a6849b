package sink

import (
	"maps"
	"slices"
	"strconv"

	"github.com/ktlstop/ktlstop/pkg/event"
)

func (e *encoder) summary(dst []byte, s *event.Summary) []byte {
	dst = e.head(dst, "summary", s.Mono)
	dst = append(dst, `,"records":`...)
	dst = appendPair(dst, s.Totals.Records)
	dst = append(dst, `,"bytes":`...)
	dst = appendPair(dst, s.Totals.Bytes)
	dst = appendUint(dst, "sockets", s.Sockets)
	dst = appendUint(dst, "errors", s.Errors)
	if s.Dropped > 0 {
		dst = appendUint(dst, "dropped", s.Dropped)
	}
	dst = appendUint(dst, "unmatched", s.Unmatched)
	dst = appendSampled(dst, s.Totals.Sampled, s.Skipped)
	dst = appendLosses(dst, s.Lost)
	dst = appendUint(dst, "forgotten", s.Forgotten)
	if s.Duplicates > 0 {
		dst = appendUint(dst, "duplicates", s.Duplicates)
	}
	if len(s.Evicted) > 0 {
		dst, _ = appendCounts(append(dst, `,"evicted":`...), s.Evicted)
	}
	if s.Stopped != "" {
		dst = appendString(dst, "stopped", s.Stopped)
	}
	dst = appendUint(dst, "duration_ns", uint64(max(s.Duration, 0)))
	dst = appendName(dst, "tier", s.Tier.String())
	dst = append(dst, `,"missing_hooks":[`...)
	for i, hook := range s.Missing {
		dst = appendQuoted(comma(dst, i), hook)
	}
	dst = append(dst, `],"cost":[`...)
	for i := range s.Cost {
		dst = appendCost(comma(dst, i), &s.Cost[i])
	}
	dst = append(dst, ']')
	dst = appendBool(dst, "cost_measured", s.CostOver > 0)
	if s.CostOver <= 0 {
		return dst
	}
	return appendUint(dst, "cost_over_ns", uint64(s.CostOver))
}

func comma(dst []byte, i int) []byte {
	if i == 0 {
		return dst
	}
	return append(dst, ',')
}

// appendLosses writes the losses by cause and their sum.
func appendLosses(dst []byte, lost map[string]uint64) []byte {
	dst, total := appendCounts(append(dst, `,"lost":`...), lost)
	return appendUint(dst, "lost_total", total)
}

// appendCounts writes numbers by name, and returns their sum too.
func appendCounts(dst []byte, counts map[string]uint64) (_ []byte, total uint64) {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(counts)) {
		dst = appendQuoted(comma(dst, i), name)
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, counts[name], 10)
		total += counts[name]
	}
	return append(dst, '}'), total
}

func appendCost(dst []byte, c *event.ProgramCost) []byte {
	dst = append(dst, `{"program":`...)
	dst = appendQuoted(dst, c.Name)
	dst = appendUint(dst, "runs", c.Runs)
	dst = appendUint(dst, "run_ns", c.Nanos)
	if c.Skipped > 0 {
		dst = appendUint(dst, "skipped", c.Skipped)
	}
	return append(dst, '}')
}
