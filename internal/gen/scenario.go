// Package gen makes kTLS traffic with pkg/ktls: what ktlstop gen does.
package gen

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"time"
)

// Scenario says what traffic to make. A connection begins with one record of
// helloSize bytes in which the client tells the server what follows; then each
// round sends Size bytes from the client, from the server, or from both in turn.
type Scenario struct {
	Connections int
	// Size is the number of bytes of one write, in each direction that is on.
	Size int
	// Rounds per connection; 0 means until Duration or the context ends.
	Rounds int
	// Rate is the rounds per second and connection; 0 means as fast as it goes.
	Rate     float64
	Duration time.Duration
	// Sendfile makes the sending side take its bytes from a file.
	Sendfile bool
	// ToServer and ToClient switch the directions on.
	ToServer, ToClient bool
	// Version is tls.VersionTLS12 or tls.VersionTLS13; Suite a TLS 1.2 suite
	// or 0.
	Version, Suite uint16
	// Listen runs only the server, Connect only the clients.
	Listen, Connect string
	// Require fails where the kernel does not take the connection over.
	Require bool
}

// maxSize bounds a write; a server believes no larger one.
const maxSize = 1 << 30

// Check says what is wrong with s.
func (s *Scenario) Check() error {
	switch {
	case s.Listen != "" && s.Connect != "":
		return fmt.Errorf("listen and connect are two processes")
	case s.Connections < 1:
		return fmt.Errorf("%d connections: at least one", s.Connections)
	case s.Size < 1 || s.Size > maxSize:
		return fmt.Errorf("size %d is outside 1 to %d", s.Size, maxSize)
	case s.Rounds < 0 || s.Rate < 0:
		return fmt.Errorf("a negative number of rounds")
	case !s.ToServer && !s.ToClient:
		return fmt.Errorf("no direction to send in")
	}
	return nil
}

const (
	helloSize  = 16
	helloMagic = "ktls"

	flagToServer = 1
	flagToClient = 2
	flagSendfile = 4
)

// hello is the client's first record: magic, size, flags, reserved.
func (s *Scenario) hello() []byte {
	var flags uint32
	for bit, on := range map[uint32]bool{flagToServer: s.ToServer, flagToClient: s.ToClient, flagSendfile: s.Sendfile} {
		if on {
			flags |= bit
		}
	}
	b := make([]byte, helloSize)
	copy(b, helloMagic)
	binary.BigEndian.PutUint32(b[4:], uint32(s.Size))
	binary.BigEndian.PutUint32(b[8:], flags)
	return b
}

// parseHello is what the server makes of it.
func parseHello(b []byte) (*Scenario, error) {
	if len(b) != helloSize || string(b[:4]) != helloMagic {
		return nil, fmt.Errorf("the peer is not ktlstop gen")
	}
	flags := binary.BigEndian.Uint32(b[8:])
	s := &Scenario{Connections: 1, Size: int(binary.BigEndian.Uint32(b[4:])),
		ToServer: flags&flagToServer != 0, ToClient: flags&flagToClient != 0, Sendfile: flags&flagSendfile != 0}
	return s, s.Check()
}

func (s *Scenario) clientConfig() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: s.Version, MaxVersion: s.Version, CipherSuites: s.suites()}
}

func (s *Scenario) suites() []uint16 {
	if s.Suite == 0 {
		return nil
	}
	return []uint16{s.Suite}
}
