package event

import "time"

// HostState is the reason for a Host event.
type HostState uint8

// The states.
const (
	// HostHere: the events that follow are those of this host. A feed reports it at its
	// beginning, and repeats it.
	HostHere HostState = iota + 1
	// HostAway: the reader of the host's feed has lost the connection, or does not have
	// one yet.
	HostAway
)

// String returns the state in one word.
func (s HostState) String() string { return pick(s, "unknown", "here", "away") }

// Host identifies the machine that traces, where another machine shows its events.
type Host struct {
	// Mono is the time of the event, by the clock of that machine.
	Mono  uint64
	State HostState
	// Name is the host name, Kernel its kernel release, Version the version of ktlstop
	// there, and Filter what it traces, empty for everything.
	Name, Kernel, Version, Filter string
	Tier                          Tier
	// Missing is as in Summary.
	Missing []string
	// Reason is why the host is away. Away is how long it had been away when it came
	// back, 0 if it had not: what happened in that time is not known.
	Reason string
	Away   time.Duration
}

// Time implements Event.
func (h *Host) Time() uint64 { return h.Mono }

// HostOf returns the host of an event where the events of several hosts are merged, and
// the host of a *Host in any case; it is empty otherwise.
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

// The feed of ktlstop serve.
const (
	// FeedPath is the path of the feed of events.
	FeedPath = "/v1/events"
	// FeedType is its media type, JSON Lines.
	FeedType = "application/x-ndjson"
)
