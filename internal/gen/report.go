package gen

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// Report describes the traffic, for a test or a reader to compare with a trace.
type Report struct {
	Seed        uint64        `json:"seed"`
	Connections []*ConnReport `json:"connections"`
	DurationNS  time.Duration `json:"duration_ns"`
}

// ConnReport is one end of one connection, and the direction in which it sends.
type ConnReport struct {
	Role       string `json:"role"`       // client or server
	Connection int    `json:"connection"` // counted from 0, the same at both ends
	Local      string `json:"local"`
	Remote     string `json:"remote"`
	Version    string `json:"version"`
	Cipher     string `json:"cipher"`
	TX         string `json:"tx"` // sw, hw, kernel or none
	RX         string `json:"rx"`
	Reason     string `json:"reason,omitempty"` // why none
	Op         Op     `json:"op"`
	Writes     uint64 `json:"writes"`         // of application data
	SentBytes  uint64 `json:"sent_bytes"`     // of application data
	Received   uint64 `json:"received_bytes"` // of application data
	Sent       Tally  `json:"sent"`
	Rekeys     uint64 `json:"rekeys,omitempty"` // KeyUpdates that this end began
	Fault      Fault  `json:"fault,omitempty"`
	FaultError string `json:"fault_error,omitempty"` // what this end noticed of the fault
	Error      string `json:"error,omitempty"`       // unexpected data
}

// ends names a connection by its role and addresses.
func (r *ConnReport) ends() string {
	if r.Local == "" { // it was never made
		return r.Role + " of " + r.Remote
	}
	return r.Role + " " + r.Local + " -> " + r.Remote
}

// WriteText writes the lines that ktlstop gen prints. Notes may quote a peer. For a
// connection that was never made there is only Run's error.
func (r *Report) WriteText(w io.Writer) error {
	for _, c := range r.Connections {
		if c.Version == "" {
			continue
		}
		_, err := fmt.Fprintf(w, "%s %s %s tx %s rx %s: %d writes by %s, %d bytes out, %d in\n",
			c.ends(), c.protocol(), c.Cipher, c.TX, c.RX, c.Writes, c.Op, c.SentBytes, c.Received)
		if err != nil {
			return err
		}
		for _, note := range []string{c.FaultError, c.Error} {
			if note == "" {
				continue
			}
			if _, err := fmt.Fprintln(w, "  "+note); err != nil {
				return err
			}
		}
	}
	return r.writeReasons(w)
}

// writeReasons prints the reasons for missing kernel TLS once, for any number of ends.
func (r *Report) writeReasons(w io.Writer) error {
	ends := map[string]int{}
	for _, c := range r.Connections {
		if c.Reason != "" {
			ends[c.Reason]++
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(ends)) {
		if _, err := fmt.Fprintf(w, "not in the kernel, or not both ways, %d of %d ends: %s\n", ends[reason], len(r.Connections), reason); err != nil {
			return err
		}
	}
	return nil
}

// collector collects the reports of concurrent connections.
type collector struct {
	mu  sync.Mutex
	all []*ConnReport
}

func (c *collector) add(r *ConnReport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, r)
}

// sorted returns the reports in an order that does not depend on time.
func (c *collector) sorted() []*ConnReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedStableFunc(slices.Values(c.all), func(a, b *ConnReport) int {
		return cmp.Or(cmp.Compare(a.Connection, b.Connection), cmp.Compare(a.Role, b.Role))
	})
}

// describe sets the values negotiated in the handshake.
func (r *ConnReport) describe(c *ktls.Conn) {
	state := c.ConnectionState()
	r.Version, r.Cipher = versionName(state.Version), suiteName(state.CipherSuite)
	r.describeLink(c)
}

func (r *ConnReport) describeLink(c link) {
	off := c.Offload()
	r.Local, r.Remote = c.LocalAddr().String(), c.RemoteAddr().String()
	r.TX, r.RX = off.TX.Mode.String(), off.RX.Mode.String()
	for _, d := range []ktls.DirectionState{off.TX, off.RX} {
		if d.Reason != nil {
			r.Reason = d.Reason.Error()
		}
	}
}
