package inspect

// Limits of the state of streams. A note reports when a limit is reached.
const (
	// maxConns is the number of connections that are followed at a time. One more evicts the
	// idlest.
	maxConns = 4096
	// maxHead limits the head of a message of HTTP/1, the field block and each frame except
	// DATA of HTTP/2.
	maxHead = 128 << 10
	// maxTable limits the dynamic table of HPACK.
	maxTable = 1 << 20
	// maxStartLine limits the first line of a message, RFC 9112 §3.
	maxStartLine = 8 << 10
	// maxPending limits the requests of a connection that wait for a response.
	maxPending = 1024
	// maxLegs limits the requests that are joined with others, or wait to be.
	maxLegs = 16 << 10
	// maxHeld limits the bytes of all streams that wait for a decision. A waiting record
	// adds recordCost.
	maxHeld    = 64 << 20
	recordCost = 512
	// maxLine limits the line that patterns are matched with. In a longer one, a match is
	// found if it is not longer than half of that.
	maxLine = 64 << 10
	// maxUnknown is how much is masked if a trace began within a line.
	maxUnknown = 16 << 10
)
