package inspect

// Limits of the state of streams. A note reports when a limit is reached.
const (
	// maxConns is the number of connections that are followed at a time. One more evicts the
	// idlest.
	maxConns = 4096
	// maxHead bounds the head of a message of HTTP/1, the field block and each
	// frame but DATA of HTTP/2.
	maxHead = 128 << 10
	// maxTable bounds the dynamic table of HPACK.
	maxTable = 1 << 20
	// maxStartLine bounds the first line of a message, RFC 9112 §3.
	maxStartLine = 8 << 10
	// maxPending bounds the requests of a connection that wait for a response.
	maxPending = 1024
	// maxLegs bounds the requests that are joined with others, or wait to be.
	maxLegs = 16 << 10
	// maxHeld bounds the bytes of all streams that wait for a decision. A record that waits
	// adds recordCost.
	maxHeld    = 64 << 20
	recordCost = 512
	// maxLine bounds the line that patterns are matched with. Of a longer one a
	// match is found if it is not longer than half of that.
	maxLine = 64 << 10
	// maxUnknown is how much is masked where a line was joined in its middle.
	maxUnknown = 16 << 10
)
