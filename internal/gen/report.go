package gen

import (
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// Report is what was done, for a test or a reader to compare with a trace.
type Report struct {
	Connections []*ConnReport `json:"connections"`
	DurationNS  time.Duration `json:"duration_ns"`
}

// ConnReport is one end of one connection.
type ConnReport struct {
	Role     string `json:"role"` // client or server
	Local    string `json:"local"`
	Remote   string `json:"remote"`
	Version  string `json:"version"`
	Cipher   string `json:"cipher"`
	TX       string `json:"tx"` // sw, hw or none
	RX       string `json:"rx"`
	Reason   string `json:"reason,omitempty"` // why none
	Op       string `json:"op"`
	Writes   uint64 `json:"writes"`
	Sent     uint64 `json:"sent_bytes"`
	Received uint64 `json:"received_bytes"`
	Error    string `json:"error,omitempty"`
}

// collector gathers the reports of connections that run at once.
type collector struct {
	mu  sync.Mutex
	all []*ConnReport
}

func (c *collector) add(r *ConnReport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, r)
}

// failed is the first connection that ended with an error.
func (c *collector) failed() *ConnReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.all {
		if r.Error != "" {
			return r
		}
	}
	return nil
}

// describe fills in what the handshake settled.
func (r *ConnReport) describe(c *ktls.Conn) {
	state, off := c.ConnectionState(), c.Offload()
	r.Version, r.Cipher = versionName(state.Version), suiteName(state.CipherSuite)
	r.TX, r.RX = off.TX.Mode.String(), off.RX.Mode.String()
	for _, d := range []ktls.DirectionState{off.TX, off.RX} {
		if d.Reason != nil {
			r.Reason = d.Reason.Error()
		}
	}
}
