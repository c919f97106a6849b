package event

import (
	"strconv"
	"strings"
)

// Offload is how a network card does at a connection, counted since the trace saw that.
type Offload struct {
	// Resyncs of what is sent are those that the card has asked for, of what is received
	// those that the kernel told it: where a record begins, and with which sequence.
	Resyncs [2]uint64
	// Fallback counts the packets that the kernel has sealed in the card's place.
	Fallback uint64
	// Removed: the card went away (it was set down, or removed), and the kernel seals and opens.
	Removed bool
}

// Describe is that in one line.
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
