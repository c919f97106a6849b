// Package finding has the events that internal/inspect finds in plaintext. The kernel
// does not report them, and sinks get them among the kernel's events.
package finding

import "github.com/ktlstop/ktlstop/pkg/event"

// HTTP is a request and its response, as far as the trace has seen them. Masked text is
// shown as asterisks in all fields.
type HTTP struct {
	Conn event.Conn
	TLS  event.TLS
	// Proc is the process that sent or received the response, or the request if there is
	// no response.
	Proc event.Process
	// Mono is the time of the exchange's last record.
	Mono uint64
	// Dir is the direction of the request: TX for a client, RX for a server.
	Dir event.Dir
	// Version is the version of HTTP: "1.0", "1.1" or "2".
	Version string
	// Stream is HTTP/2's stream identifier, 0 for HTTP/1.
	Stream uint32
	// Request and Response are nil where they were not seen.
	Request  *Request
	Response *Response
	// Duration is the time in nanoseconds from the request's first record to the
	// response's last; 0 if one of them was not seen.
	Duration uint64
	// End says how it ended.
	End End
	// Upstream are the requests that a proxy made for this request of a client, in the
	// order in which they began: several if it tried again, or asked several servers.
	Upstream []Upstream
	// Added is the part of Duration in nanoseconds in which no request of Upstream was
	// in progress; 0 if that is not known.
	Added uint64
	// Ambiguous is the number of requests on the other side of a proxy that may belong
	// to this one and to others as well, so that they are not joined.
	Ambiguous int
}

// Upstream is the other leg of a request that went through a proxy.
type Upstream struct {
	*HTTP
	By JoinedBy
	// After is the time in nanoseconds from the client's request to this one.
	After uint64
}

// JoinedBy says how the two legs of a request were matched.
type JoinedBy uint8

// ByID: both have an id that nothing else in progress had, in the request or its
// response. ByOrder: no other request in progress was possible.
const (
	ByID JoinedBy = iota + 1
	ByOrder
)

// String returns it in one word.
func (b JoinedBy) String() string {
	names := [...]string{"unknown", "id", "order"}
	if int(b) >= len(names) {
		return names[0]
	}
	return names[b]
}

// Time implements event.Event.
func (h *HTTP) Time() uint64 { return h.Mono }

// Request is the content of a request's head, and its lengths.
type Request struct {
	Method, Path, Host string
	Message
}

// Response is the content of a response's head, and its lengths.
type Response struct {
	// Status is 0 if the head could not be decoded.
	Status int
	Message
}

// Message is what requests and responses share.
type Message struct {
	Headers []Header
	// HeadLen is the length in bytes of the head: start line, header lines and
	// the empty line of HTTP/1, the field blocks (HPACK) of HTTP/2.
	HeadLen uint64
	// BodyLen is the length in bytes of the content (RFC 9110 §6.4), without
	// chunk sizes, padding and trailers.
	BodyLen uint64
}

// Header is one header field.
type Header struct{ Name, Value string }

// End says how a request and its response ended.
type End uint8

// The ends. Unanswered is a request without a response, or whose response the trace
// could not identify.
const (
	Complete End = iota + 1
	// Reset is a stream of HTTP/2 that was reset.
	Reset
	// Closed is a message that the end of the connection or of the trace cut.
	Closed
	// Gap is a message with missing records.
	Gap
	Unanswered
	// Upgrade is a connection that continues with another protocol.
	Upgrade
)

// String returns the end in one word.
func (e End) String() string {
	names := [...]string{"unknown", "complete", "reset", "closed", "gap", "unanswered", "upgrade"}
	if int(e) >= len(names) {
		return names[0]
	}
	return names[e]
}

// Note says what could not be decoded on a connection, and why.
type Note struct {
	Conn event.Conn
	Proc event.Process
	Mono uint64
	Dir  event.Dir
	Text string
}

// Time implements event.Event.
func (n *Note) Time() uint64 { return n.Mono }
