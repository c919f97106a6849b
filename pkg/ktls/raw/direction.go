package raw

import "fmt"

// Direction is a direction of a socket, as setsockopt(2) numbers it (linux/tls.h).
type Direction int

const (
	// TX is what this end sends.
	TX Direction = 1
	// RX is what this end receives.
	RX Direction = 2
)

// String returns "TLS_TX" or "TLS_RX", the socket options' names.
func (d Direction) String() string {
	switch d {
	case TX:
		return "TLS_TX"
	case RX:
		return "TLS_RX"
	}
	return fmt.Sprintf("direction(%d)", int(d))
}
