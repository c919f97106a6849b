package sink

import (
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// aboutHost writes a Host event, with the time that the host was away.
func (p *printer) aboutHost(h *event.Host) {
	p.clockTo(h.Mono, 3)
	p.str("host " + Sanitize(h.Name))
	if h.State == event.HostAway {
		p.str(" is AWAY: " + Sanitize(h.Reason))
		p.end()
		return
	}
	if h.Away > 0 {
		p.str(" is here again, after " + units.Duration(uint64(h.Away)) + ": what happened meanwhile is not known")
		p.end()
		return
	}
	p.str(": ktlstop " + Sanitize(h.Version) + ", kernel " + Sanitize(h.Kernel))
	if h.Filter != "" {
		p.str(", " + Sanitize(h.Filter))
	}
	p.end()
	for _, hook := range h.Missing {
		p.str("             its kernel lacks " + Sanitize(hook))
		p.end()
	}
}

// hostColumns is how wide the column of hosts is at least.
const hostColumns = 12

// appendHost begins a line of an output of several hosts.
func (p *printer) appendHost(dst []byte, host string) []byte {
	host = safe.String(host)
	dst = append(dst, host...)
	for n := safe.Width(host); n < hostColumns; n++ {
		dst = append(dst, ' ')
	}
	return append(dst, ' ')
}
