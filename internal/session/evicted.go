package session

import "github.com/ktlstop/ktlstop/internal/sink"

// What a run may have evicted for want of room, as event.Summary.Evicted has it.
const (
	evictedCounts  = "counts"
	evictedChoices = "choices"
	evictedPackets = "packets"
	evictedCalls   = "calls"
)

// Forgotten is how many connections these sinks have forgotten together.
func (all Sinks) Forgotten() (n uint64) {
	for _, s := range all {
		n += sink.Forgotten(s)
	}
	return n
}

// evicted is what the run gave up, without what it did not.
func (p *pipeline) evicted(t audited) map[string]uint64 {
	packets := sink.Forgotten(p.out)
	if p.gate != nil {
		packets += p.gate.Forgotten()
	}
	var evicted map[string]uint64
	for what, n := range map[string]uint64{
		evictedCounts: p.conns.Evicted(), evictedChoices: p.choice.evicted(), evictedPackets: packets, evictedCalls: t.Incomplete(),
	} {
		if n == 0 {
			continue
		}
		if evicted == nil {
			evicted = map[string]uint64{}
		}
		evicted[what] = n
	}
	return evicted
}
