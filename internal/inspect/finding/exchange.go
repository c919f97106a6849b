package finding

import "github.com/ktlstop/ktlstop/pkg/event"

// Exchange is a request and its reply in a protocol other than HTTP, as far as the
// trace has seen them. Masked text is shown as asterisks in all fields.
type Exchange struct {
	Conn event.Conn
	TLS  event.TLS
	// Proc is the process that sent or received the reply, or the request if there is
	// no reply.
	Proc event.Process
	// Mono is the time of the exchange's last record.
	Mono uint64
	// Dir is the direction of the request: TX for a client, RX for a server.
	Dir event.Dir
	// Protocol is its name in lower case: "redis", "smtp", "nfs".
	Protocol string
	// ID matches the reply to the request: IMAP's tag, the xid of an RPC. It is empty
	// where replies come in the order of requests.
	ID string
	// Op is the operation, as the protocol names it: "GET", "MAIL". It is empty if the
	// request was not seen. A message that a server sends without a request has one
	// too.
	Op string
	// Detail is the operation's argument, in one line: a key, a statement.
	Detail string
	// Status is the answer in a few words: "OK", "250", "SELECT 3". It is empty if the
	// reply was not seen.
	Status string
	// RequestLen and ReplyLen are lengths in bytes of the stream, framing included.
	// They include lost parts of a message whose length is known.
	RequestLen, ReplyLen uint64
	// Duration is the time in nanoseconds from the request's first record to the
	// reply's last; 0 if one of them was not seen.
	Duration uint64
	// End says how it ended.
	End End
}

// Time implements event.Event.
func (x *Exchange) Time() uint64 { return x.Mono }
