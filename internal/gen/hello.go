package gen

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// hello is the client's message to the server in its first record: a magic, a length of
// two bytes and as much JSON.
type hello struct {
	Connection int           `json:"connection"`
	Size       string        `json:"size"`
	Seed       uint64        `json:"seed"`
	Op         Op            `json:"op"`
	ToServer   bool          `json:"to_server"`
	ToClient   bool          `json:"to_client"`
	AlertEvery int           `json:"alert_every"`
	RekeyEvery int           `json:"rekey_every"`
	ReadDelay  time.Duration `json:"read_delay_ns"`
	Fault      Fault         `json:"fault"`
}

const (
	helloMagic = "ktls"
	helloMax   = 1024 // bytes of JSON
)

// hello is the first record of the client's connection.
func (s *Scenario) hello(connection int) []byte {
	text, err := json.Marshal(hello{connection, s.Size.String(), s.Seed, s.Op, s.ToServer, s.ToClient,
		s.AlertEvery, s.RekeyEvery, s.ReadDelay, s.Fault})
	if err != nil {
		panic(err) // JSON can encode all of it
	}
	b := binary.BigEndian.AppendUint16([]byte(helloMagic), uint16(len(text)))
	return append(b, text...)
}

// readHello parses it in the server, and returns its length.
func readHello(r io.Reader) (s *Scenario, connection, n int, err error) {
	head := make([]byte, len(helloMagic)+2)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, 0, 0, err
	}
	size := int(binary.BigEndian.Uint16(head[len(helloMagic):]))
	if string(head[:len(helloMagic)]) != helloMagic || size > helloMax {
		return nil, 0, 0, fmt.Errorf("the peer is not ktlstop gen")
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, 0, 0, err
	}
	s, connection, err = parseHello(text)
	return s, connection, len(head) + size, err
}

func parseHello(text []byte) (*Scenario, int, error) {
	var h hello
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, 0, fmt.Errorf("the peer is not this version of ktlstop gen: %w", err)
	}
	size, err := ParseSize(h.Size)
	if err != nil {
		return nil, 0, err
	}
	if h.Connection < 0 {
		return nil, 0, fmt.Errorf("connection %d", h.Connection)
	}
	s := &Scenario{Connections: 1, Size: size, Seed: h.Seed, Op: h.Op, ToServer: h.ToServer, ToClient: h.ToClient,
		AlertEvery: h.AlertEvery, RekeyEvery: h.RekeyEvery, ReadDelay: h.ReadDelay, Fault: h.Fault}
	return s, h.Connection, s.checkTraffic()
}
