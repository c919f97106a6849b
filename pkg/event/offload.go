package event

import (
	"strconv"
	"strings"
)

// Offload is the state of a network card that encrypts or decrypts a connection. It counts
// since the trace first saw the connection.
type Offload struct {
	// Resyncs counts resynchronizations, by direction: those that the card requested
	// (TX), and those in which the kernel gave the card the place and the sequence of a
	// record (RX).
	Resyncs [2]uint64
	// Fallback counts the packets that the kernel encrypted in place of the card.
	Fallback uint64
	// Removed reports that the card was set down or removed. The kernel encrypts and
	// decrypts from then on.
	Removed bool
}

// Describe returns the state in one line.
func (o *Offload) Describe() string {
	var words []string
	if o.Removed {
		words = append(words, "gone")
	}
	for d, n := range o.Resyncs {
		if n > 0 {
			words = append(words, Dir(d).String()+" "+counted(n, "resync"))
		}
	}
	if o.Fallback > 0 {
		words = append(words, counted(o.Fallback, "packet")+" sealed by the kernel")
	}
	if words == nil {
		words = []string{"seals and opens"}
	}
	return "network card: " + strings.Join(words, ", ")
}

func counted(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.FormatUint(n, 10) + " " + what
}
