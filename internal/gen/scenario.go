// Package gen makes kTLS traffic with pkg/ktls, for ktlstop gen.
package gen

import (
	"crypto/tls"
	"fmt"
	"time"
)

// Op is the call that sends application data.
type Op string

// The calls. Splice moves it from a Unix socket.
const (
	OpSend     Op = "send"
	OpSendfile Op = "sendfile"
	OpSplice   Op = "splice"
)

// Fault is how a connection ends instead of with close_notify.
type Fault string

// The faults.
const (
	// FaultNone is an orderly end.
	FaultNone Fault = ""
	// FaultCorrupt damages one last record of the client on its way.
	FaultCorrupt Fault = "corrupt"
	// FaultReset ends the TCP connection with a reset by the client.
	FaultReset Fault = "reset"
)

// Scenario describes the traffic. A connection begins with one record in which the
// client sends the server the parameters; then each round sends one write from the
// client, from the server, or from both in turn. With Rounds, the records of each
// connection and direction, their types, lengths and order, depend only on the
// scenario, Seed included; with Duration only their number does not.
type Scenario struct {
	Connections int // for a server: how many it serves before it ends, 0 for no limit
	// Size is the size of one write, in each active direction.
	Size Size
	Seed uint64
	// Rounds per connection; 0 means until Duration or the context ends.
	Rounds int
	// Rate is the rounds per second and connection; 0 means as fast as possible.
	Rate     float64
	Duration time.Duration
	Op       Op
	// ToServer and ToClient switch the directions on.
	ToServer, ToClient bool
	// AlertEvery and RekeyEvery put an alert user_canceled, which has no effect, or a
	// KeyUpdate before every n-th write of each sender; 0 for none.
	AlertEvery, RekeyEvery int
	// ReadDelay is how long a receiver waits before it reads a write.
	ReadDelay time.Duration
	Fault     Fault
	// DTLS is DTLS 1.2 over UDP instead of TLS; the version must be 1.2.
	DTLS bool
	// Version is tls.VersionTLS12 or tls.VersionTLS13; Suite a TLS 1.2 suite
	// or 0.
	Version, Suite uint16
	// Listen runs only the server, Connect only the clients.
	Listen, Connect string
	// Require makes the run fail if the kernel does not take the connection over.
	Require bool
	// List keeps each record in the report.
	List bool
}

// Check returns what is wrong with s.
func (s *Scenario) Check() error {
	switch {
	case s.Listen != "" && s.Connect != "":
		return fmt.Errorf("listen and connect are two processes")
	case s.Connections < 0 || s.Connections == 0 && s.Listen == "":
		return fmt.Errorf("%d connections: at least one", s.Connections)
	case s.Rounds < 0:
		return fmt.Errorf("%d rounds: 1 or more, or 0 for no end", s.Rounds)
	case !(s.Rate >= 0): // NaN too
		return fmt.Errorf("a rate of %v: rounds per second, or 0 for as fast as it goes", s.Rate)
	}
	if err := s.checkTraffic(); err != nil {
		return err
	}
	return s.checkDTLS()
}

// checkTraffic checks the parameters that a client sends to its server.
func (s *Scenario) checkTraffic() error {
	switch {
	case s.Size.Min < 1 || s.Size.Min > s.Size.Max || s.Size.Max > maxSize || s.Size.Mean < 0:
		return fmt.Errorf("size %v is outside 1 to %d", s.Size, maxSize)
	case s.Op != OpSend && s.Op != OpSendfile && s.Op != OpSplice:
		return fmt.Errorf("op %q: the calls are send, sendfile and splice", s.Op)
	case s.Fault != FaultNone && s.Fault != FaultCorrupt && s.Fault != FaultReset:
		return fmt.Errorf("fault %q: the faults are corrupt and reset", s.Fault)
	case !s.ToServer && !s.ToClient:
		return fmt.Errorf("no direction to send in")
	case s.AlertEvery < 0 || s.RekeyEvery < 0 || s.ReadDelay < 0:
		return fmt.Errorf("a negative number of alerts, key changes or seconds")
	case s.RekeyEvery > 0 && s.Version == tls.VersionTLS12:
		return fmt.Errorf("changing keys needs TLS 1.3")
	case s.RekeyEvery > 0 && !s.ToClient:
		// The answers to KeyUpdates would pile up: nobody reads them.
		return fmt.Errorf("changing keys needs a direction that the client reads: both or rx")
	}
	return nil
}

func (s *Scenario) clientConfig() *tls.Config {
	// Without dynamic record sizing crypto/tls splits writes as the kernel does.
	return &tls.Config{InsecureSkipVerify: true, MinVersion: s.Version, MaxVersion: s.Version,
		CipherSuites: s.suites(), DynamicRecordSizingDisabled: true}
}

func (s *Scenario) serverConfig() (*tls.Config, error) {
	cert, err := selfSigned()
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12,
		CipherSuites: s.suites(), DynamicRecordSizingDisabled: true}, nil
}

func (s *Scenario) suites() []uint16 {
	if s.Suite == 0 {
		return nil
	}
	return []uint16{s.Suite}
}
