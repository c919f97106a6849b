package event

import "time"

// HostState says why a Host is told.
type HostState uint8

const (
	// HostHere: the events that follow are of this host. A feed says so at its begin,
	// and again while it lasts.
	HostHere HostState = iota + 1
	// HostAway: who reads its feed has lost it, or could not get it yet.
	HostAway
)

// String returns the state in one word.
func (s HostState) String() string { return pick(s, "unknown", "here", "away") }

// Host says whose events come: the machine that traces, where that is not the one
// that shows them.
type Host struct {
	// Mono is when, by the clock of that machine.
	Mono  uint64
	State HostState
	// Name is what the machine calls itself, Kernel its release, Version that of
	// the ktlstop there, Filter what is traced, empty for all.
	Name, Kernel, Version, Filter string
	Tier                          Tier
	// Missing is as in Summary.
	Missing []string
	// Reason says why it is away, and Away for how long it was, 0 where it was not:
	// what happened meanwhile is not known.
	Reason string
	Away   time.Duration
}

// Time implements Event.
func (h *Host) Time() uint64 { return h.Mono }

// HostOf names the host of an event where events of several are put together, and of a
// Host event in any case; it is empty otherwise.
func HostOf(ev Event) string {
	switch ev := ev.(type) {
	case *Record:
		return ev.Conn.Host
	case *Socket:
		return ev.Conn.Host
	case *Error:
		return ev.Conn.Host
	case *Drop:
		return ev.Conn.Host
	case *Lost:
		if ev.Conn != nil {
			return ev.Conn.Host
		}
		return ev.Host
	case *Summary:
		return ev.Host
	case *Host:
		return ev.Name
	}
	return ""
}

const (
	// FeedPath is where ktlstop serve has its events.
	FeedPath = "/v1/events"
	// FeedType is their media type: JSON Lines.
	FeedType = "application/x-ndjson"
)
