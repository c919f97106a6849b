package event

// Answer is yes or no, or that it is not known.
type Answer uint8

// The answers.
const (
	NotKnown Answer = iota
	No
	Yes
)

// Driver is an implementation of a cipher in the kernel.
type Driver struct {
	// Name is what the kernel calls it (generic-gcm-aesni, gcm-aes-caam), as
	// /proc/crypto has it; empty where it is not known.
	Name string
	// Async: it seals and opens behind the caller's back.
	Async bool
}

// Held is what a connection holds back at a moment: bytes that a program has sent, or
// that have come, and that went no further yet.
type Held struct {
	// OpenBytes are in a record that waits for more (MSG_MORE), which began OpenFor
	// nanoseconds ago; 0 where that is not known.
	OpenBytes uint32
	OpenFor   uint64
	// Incomplete bytes have come of a record that will be RecordBytes long on the
	// wire, 0 where that is not known; the last of them Quiet nanoseconds ago, 0 where
	// that is not known.
	Incomplete, RecordBytes uint32
	QuietFor                uint64
	// Unread records are opened, and the program has not read them whole: it may have
	// peeked at them. UnreadBytes are those of the first 256.
	Unread      uint32
	UnreadBytes uint64
	// AwaitsKey and Awaited are as in Socket.
	AwaitsKey    bool
	AwaitsKeyFor uint64
}

// SocketState says what happened to a kTLS socket.
type SocketState uint8

// The states of a Socket event.
const (
	// SocketFound is a connection that was open before the trace started, or that
	// was met at its first record.
	SocketFound SocketState = iota + 1
	// SocketOpen is one direction getting its first key.
	SocketOpen
	// SocketRekey is one direction getting a new key.
	SocketRekey
	// SocketClose is the end of the connection.
	SocketClose
	// SocketAwaitsKey is what can be received waiting for a new key: the peer has
	// announced it (KeyUpdate), and reads fail until the program sets it.
	SocketAwaitsKey
	// SocketCard is news of the network card that was to seal or open: see Socket.Offload.
	SocketCard
)

// String returns the state in one word.
func (s SocketState) String() string {
	return pick(s, "unknown", "found", "open", "rekey", "close", "awaits_key", "card")
}

// HasDir says whether an event of this state is about one direction.
func (s SocketState) HasDir() bool {
	return s == SocketOpen || s == SocketRekey || s == SocketAwaitsKey
}

// Socket tells of a connection, not of a record.
type Socket struct {
	State SocketState
	Conn  Conn
	// Proc is who opened, keyed or closed it; for SocketFound one that has it.
	Proc Process
	Mono uint64
	// Dir is the direction that got a key, for SocketOpen and SocketRekey, or that
	// waits for one.
	Dir Dir
	// TX and RX say how each direction is protected; Mode ModeNone means not
	// by the kernel.
	TX, RX TLS
	// Drivers are what seals and opens the records of each direction, but on
	// SocketClose.
	Drivers [2]Driver
	// NextTX and NextRX are the sequences that the next record of each
	// direction will have under the keys GenTX and GenRX.
	NextTX, NextRX uint64
	GenTX, GenRX   uint32
	// Totals since the trace saw the connection. The tracer leaves them to whoever
	// counts its events.
	Totals Totals
	// Hidden counts the records that the filters kept back or sampling left out,
	// per direction.
	Hidden [2]uint64
	// Skipped counts those left out by sampling that no record stands for: they
	// came after the last one that was picked.
	Skipped [2]uint64
	// Blocked counts how often a send call found no room and was not to wait: it was
	// refused (EAGAIN), or sent less.
	Blocked uint64
	// Probed counts reads that were refused since they had no room for a record's type
	// (EIO), of records that the program then has read; what it has not is an Error.
	Probed uint64
	// UnsentBytes are those that a program had sent, and that were in an open record
	// when the connection closed: of MSG_MORE, or of a splice that promised more.
	UnsentBytes uint64
	// Ended says how the connection had ended when it was closed. CloseNotify says in
	// which directions the alert went that nothing follows.
	Ended       Ending
	CloseNotify [2]Answer
	// Truncated are bytes of a record received of which the rest never came.
	Truncated uint64
	// AwaitsKey: what can be received waits for a new key, or did so until this
	// SocketRekey: for Awaited nanoseconds, 0 where that is not known.
	AwaitsKey    bool
	AwaitsKeyFor uint64
	// Held is what the connection held back when it was found, nil for nothing.
	Held *Held
	// Offload is how the network card does, of SocketCard.
	Offload *Offload
	// Hint is what follows, nil where nothing does for certain.
	Hint *Hint
	// Start is Record.Start for both directions, nil where it is not known.
	Start *[2]uint64
}

// Add counts n records that are like r. What was not sent does not count.
func (t *Totals) Add(r *Record, n uint64) {
	if r.Unsent {
		return
	}
	t.Records[r.Dir&1] += n
	t.Bytes[r.Dir&1] += n * uint64(r.Len)
}

// Totals counts one connection's or one run's records, by direction.
type Totals struct {
	Records [2]uint64
	// Bytes are those of their plaintexts.
	Bytes [2]uint64
	// Sampled counts the records that sampling left out; they are in neither of
	// the others.
	Sampled [2]uint64
}
