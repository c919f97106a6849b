package event

func (*HTTP) isEvent() {}
func (*Note) isEvent() {}

// HTTP is a request and its response, as far as the trace has seen them. What a
// redaction masked is asterisks in all fields.
type HTTP struct {
	Conn Conn
	TLS  TLS
	// Proc is the process that sent or received the response, or the request
	// where there is no response.
	Proc Process
	// Mono is that of the last record that is part of it.
	Mono uint64
	// Dir is the direction of the request: TX for a client, RX for a server.
	Dir Dir
	// Version is that of HTTP: "1.0", "1.1" or "2".
	Version string
	// Stream is HTTP/2's stream identifier, 0 for HTTP/1.
	Stream uint32
	// Request and Response are nil where they were not seen.
	Request  *HTTPRequest
	Response *HTTPResponse
	// Duration is the time in nanoseconds from the request's first record to the
	// response's last; 0 if one of them was not seen.
	Duration uint64
	// End says how it ended.
	End HTTPEnd
}

// HTTPRequest is what a request's head says, and how long it was.
type HTTPRequest struct {
	Method, Path, Host string
	HTTPMessage
}

// HTTPResponse is what a response's head says, and how long it was.
type HTTPResponse struct {
	// Status is 0 where the head could not be decoded.
	Status int
	HTTPMessage
}

// HTTPMessage is what requests and responses share.
type HTTPMessage struct {
	Headers []HTTPHeader
	// HeadLen is the length in bytes of the head: start line, header lines and
	// the empty line of HTTP/1, the field blocks (HPACK) of HTTP/2.
	HeadLen uint64
	// BodyLen is the length in bytes of the content (RFC 9110 §6.4), without
	// chunk sizes, padding and trailers.
	BodyLen uint64
}

// HTTPHeader is one header field.
type HTTPHeader struct{ Name, Value string }

// HTTPEnd says how a request and its response ended.
type HTTPEnd uint8

// The ends. HTTPUnanswered is a request whose response did not come, or of which
// the trace could not tell which it was.
const (
	HTTPComplete HTTPEnd = iota + 1
	// HTTPReset is a stream of HTTP/2 that was reset.
	HTTPReset
	// HTTPClosed is a message that the end of the connection or of the trace cut.
	HTTPClosed
	// HTTPGap is a message of which records are missing.
	HTTPGap
	HTTPUnanswered
	// HTTPUpgrade is a connection that speaks another protocol from here on.
	HTTPUpgrade
)

// String returns the end in one word.
func (e HTTPEnd) String() string {
	return pick(e, "unknown", "complete", "reset", "closed", "gap", "unanswered", "upgrade")
}

// Note says what could not be decoded of a connection, and why.
type Note struct {
	Conn Conn
	Proc Process
	Mono uint64
	Dir  Dir
	Text string
}
