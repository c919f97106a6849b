package doctor

import (
	"net/netip"
	"time"

	"github.com/ktlstop/ktlstop/internal/doctor/hello"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxObservations bounds what is kept of a watch.
const maxObservations = 100_000

// Log is what was seen while somebody watched.
type Log struct {
	Requests []Request
	Hellos   []Hello
	// Dropped is how much found no room.
	Dropped uint64
}

// EndsOf are the addresses of a connection.
func EndsOf(c *event.Conn) Ends {
	return Ends{NetNS: c.NetNS, Local: netip.AddrPortFrom(c.LAddr.Unmap(), c.LPort), Remote: netip.AddrPortFrom(c.RAddr.Unmap(), c.RPort)}
}

// Full reports whether nothing more is taken in.
func (l *Log) Full() bool { return len(l.Requests)+len(l.Hellos) >= maxObservations }

// Add takes in what was seen at a time since the watch began, of a process that was
// started then. A message that is none is left out.
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
