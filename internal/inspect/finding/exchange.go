package finding

import "github.com/ktlstop/ktlstop/pkg/event"

// Exchange is a request and its reply in a protocol other than HTTP, as far as the
// trace has seen them. What a redaction masked is asterisks in all fields.
type Exchange struct {
	Conn event.Conn
	TLS  event.TLS
	// Proc is the process that sent or received the reply, or the request where
	// there is no reply.
	Proc event.Process
	// Mono is that of the last record that is part of it.
	Mono uint64
	// Dir is the direction of the request: TX for a client, RX for a server.
	Dir event.Dir
	// Protocol is its name in lower case: "redis", "smtp", "nfs".
	Protocol string
	// ID is by what the reply is known to be the request's: IMAP's tag, the xid of an
	// RPC. It is empty where replies come in the order of requests.
	ID string
	// Op is what was asked for, as the protocol names it: "GET", "MAIL". It is empty
	// where the request was not seen. What a server says unasked has one too.
	Op string
	// Detail is what it was asked for with, in one line: a key, a statement.
	Detail string
	// Status is the answer in few words: "OK", "250", "SELECT 3". It is empty where
	// the reply was not seen.
	Status string
	// RequestLen and ReplyLen are lengths in bytes of the stream, framing included.
	// What was lost of a message whose length is known counts too.
	RequestLen, ReplyLen uint64
	// Duration is the time in nanoseconds from the request's first record to the
	// reply's last; 0 if one of them was not seen.
	Duration uint64
	// End says how it ended.
	End End
}

// Time implements event.Event.
func (x *Exchange) Time() uint64 { return x.Mono }
