package session

import "sync"

// Names calls each of several hosts by a name of its own: what it calls itself, and
// where another one does so too, its address behind that. A name that was given stays.
// It may be used from any goroutine.
type Names struct {
	mu    sync.Mutex
	given []string
}

// NewNames returns Names for n hosts.
func NewNames(n int) *Names { return &Names{given: make([]string, n)} }

// Of is the name of the host with a number, from 0 on.
func (n *Names) Of(number int, name, address string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.given[number] != "" {
		return n.given[number]
	}
	if name == "" {
		name = address
	}
	for _, other := range n.given {
		if other == name {
			name += "@" + address
			break
		}
	}
	n.given[number] = name
	return name
}
