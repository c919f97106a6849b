package sink

import "github.com/ktlstop/ktlstop/pkg/event"

// Encoder encodes events like JSON, for callers that write them themselves. It is not safe
// for concurrent use.
type Encoder struct{ encoder }

// NewEncoder returns an Encoder of events that carry no plaintext.
func NewEncoder(clock Clock) *Encoder {
	return &Encoder{encoder{clock: stampOf(clock), tier: event.TierNone.String()}}
}

func stampOf(clock Clock) stamp { return stamp{clock: clock, layout: "2006-01-02T15:04:05"} }

// aboutHost writes a Host event.
func (e *encoder) aboutHost(dst []byte, h *event.Host) []byte {
	dst = e.head(dst, "host", h.Mono)
	if h.Name == "" { // the line has it in any case
		dst = appendName(dst, "host", "")
	}
	dst = appendName(dst, "state", h.State.String())
	if h.State == event.HostAway {
		return appendString(dst, "reason", h.Reason)
	}
	dst = appendString(dst, "kernel", h.Kernel)
	dst = appendString(dst, "version", h.Version)
	dst = appendString(dst, "filter", h.Filter)
	dst = appendName(dst, "tier", h.Tier.String())
	dst = append(dst, `,"missing_hooks":[`...)
	for i, hook := range h.Missing {
		dst = appendQuoted(comma(dst, i), hook)
	}
	dst = append(dst, ']')
	if h.Away > 0 {
		dst = appendUint(dst, "away_ns", uint64(h.Away))
	}
	return dst
}
