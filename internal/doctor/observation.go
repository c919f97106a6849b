package doctor

import (
	"net/netip"
	"time"

	"github.com/ktlstop/ktlstop/internal/doctor/hello"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxObservations limits what is kept of a watch.
const maxObservations = 100_000

// Log has the events of a watch.
type Log struct {
	Requests []Request
	Hellos   []Hello
	// Dropped is how many found no room.
	Dropped uint64
}

// EndsOf are the addresses of a connection.
func EndsOf(c *event.Conn) Ends {
	return Ends{NetNS: c.NetNS, Local: netip.AddrPortFrom(c.LAddr.Unmap(), c.LPort), Remote: netip.AddrPortFrom(c.RAddr.Unmap(), c.RPort)}
}

// Full reports whether no more events are kept.
func (l *Log) Full() bool { return len(l.Requests)+len(l.Hellos) >= maxObservations }

// Add adds an event at a time since the start of the watch, of a process with the given
// start time. It drops invalid messages.
func (l *Log) Add(s *event.Observation, at time.Duration, started uint64) {
	if l.Full() {
		l.Dropped++
		return
	}
	ends, pid, comm := EndsOf(&s.Conn), int(s.Proc.PID), s.Proc.Comm.String()
	if s.Option != 0 {
		l.Requests = append(l.Requests, Request{Ends: ends, Cookie: s.Conn.Cookie, PID: pid, Comm: comm, Started: started, At: at, Option: s.Option,
			Errno: s.Errno, Version: s.Version, Cipher: s.Cipher, MPTCP: s.MPTCP, Device: s.Device})
		return
	}
	if h, err := hello.Parse(s.Hello); err == nil {
		l.Hellos = append(l.Hellos, Hello{Ends: ends, Cookie: s.Conn.Cookie, PID: pid, Comm: comm, Started: started, At: at, Sent: s.Sent, Hello: h})
	}
}
