package event

// Answer is yes, no, or not known.
type Answer uint8

// The answers. The zero value is NotKnown.
const (
	NotKnown Answer = iota
	No
	Yes
)

// Driver is an implementation of a cipher in the kernel's crypto API.
type Driver struct {
	// Name is the driver name in /proc/crypto, such as generic-gcm-aesni; empty if it
	// is not known.
	Name string
	// Async reports that the implementation works asynchronously: calls can return
	// before a record is encrypted or decrypted.
	Async bool
}

// Held is the data that a connection holds back at one moment: bytes that a program has
// sent and that are not encrypted yet, or that have arrived and that no program has read.
type Held struct {
	// OpenBytes is the size of the open record, which waits for more data (MSG_MORE).
	// It was begun OpenFor nanoseconds ago.
	OpenBytes uint32
	OpenFor   uint64
	// Incomplete is how many bytes have arrived of a record that is not complete.
	// RecordBytes is the length of that record on the wire. The last of the bytes
	// arrived QuietFor nanoseconds ago.
	Incomplete, RecordBytes uint32
	QuietFor                uint64
	// Unread is how many records are decrypted and not read to their end by the
	// program, which may have peeked at them (MSG_PEEK). UnreadBytes counts the bytes
	// of the first 256 of them.
	Unread      uint32
	UnreadBytes uint64
	// AwaitsKey and AwaitsKeyFor are as in Socket.
	AwaitsKey    bool
	AwaitsKeyFor uint64
}

// SocketState is what happened to a kTLS socket.
type SocketState uint8

// The states of a Socket event.
const (
	// SocketFound: the trace found a connection that was open before it started, or
	// that it first saw at a record.
	SocketFound SocketState = iota + 1
	// SocketOpen: one direction got its first key.
	SocketOpen
	// SocketRekey: one direction got a new key.
	SocketRekey
	// SocketClose: the connection was closed.
	SocketClose
	// SocketAwaitsKey: the peer has announced a new key (KeyUpdate, RFC 8446 §4.6.3),
	// and reads fail until the program sets it.
	SocketAwaitsKey
	// SocketCard: the state of the network card changed; see Socket.Offload.
	SocketCard
)

// String returns the state in one word.
func (s SocketState) String() string {
	return pick(s, "unknown", "found", "open", "rekey", "close", "awaits_key", "card")
}

// HasDir reports whether an event of this state concerns one direction.
func (s SocketState) HasDir() bool {
	return s == SocketOpen || s == SocketRekey || s == SocketAwaitsKey
}

// Socket reports a change of a connection's state.
type Socket struct {
	State SocketState
	Conn  Conn
	// Proc is the process that opened the connection, set its key or closed it. For
	// SocketFound it is one of the processes that have the socket open.
	Proc Process
	Mono uint64
	// Dir is the direction that got a key or that waits for one. It is valid if
	// State.HasDir returns true.
	Dir Dir
	// TX and RX describe how each direction is protected. Mode is ModeNone if the
	// kernel does not protect it.
	TX, RX TLS
	// Drivers are the implementations of the cipher of each direction. SocketClose
	// does not have them.
	Drivers [2]Driver
	// NextTX and NextRX are the sequences of the next record of each direction, under
	// the key generations GenTX and GenRX.
	NextTX, NextRX uint64
	GenTX, GenRX   uint32
	// Totals counts the records since the trace first saw the connection. The tracer
	// does not set it; the consumer that counts events does.
	Totals Totals
	// Hidden counts the records of each direction that filters or sampling have
	// suppressed.
	Hidden [2]uint64
	// Skipped counts the records of each direction that sampling has skipped and that
	// no reported record represents: those after the last sampled one.
	Skipped [2]uint64
	// Blocked counts non-blocking send calls that found no room: they failed (EAGAIN)
	// or sent less than they were given.
	Blocked uint64
	// Probed counts reads that failed (EIO) because they had no room for the type of a
	// control record which the program then read. If the program does not read it, an
	// Error reports the failure.
	Probed uint64
	// UnsentBytes is how many bytes were in an open record (MSG_MORE, or splice with
	// more data announced) when the connection was closed.
	UnsentBytes uint64
	// Ended is the state of the TCP connection when it was closed. CloseNotify is, by
	// direction, whether close_notify was sent and received.
	Ended       Ending
	CloseNotify [2]Answer
	// Truncated is how many bytes had arrived of a record whose rest never came.
	Truncated uint64
	// AwaitsKey reports that reads wait for a new key, or, in a SocketRekey, that they
	// did. AwaitsKeyFor is for how long, in nanoseconds.
	AwaitsKey    bool
	AwaitsKeyFor uint64
	// Held is the data that the connection held back when the trace found it; nil if
	// there was none.
	Held *Held
	// Offload is the state of the network card; nil unless State is SocketCard.
	Offload *Offload
	// Hint is the conclusion from this event, nil if there is none.
	Hint *Hint
	// Start is Record.Start of both directions, nil if it is not known.
	Start *[2]uint64
}

// Add counts n records with the direction and length of r. It does not count records that
// were not sent (Record.Unsent).
func (t *Totals) Add(r *Record, n uint64) {
	if r.Unsent {
		return
	}
	t.Records[r.Dir&1] += n
	t.Bytes[r.Dir&1] += n * uint64(r.Len)
}

// Totals counts the records of a connection or of a run, by direction.
type Totals struct {
	Records [2]uint64
	// Bytes is the size of their plaintexts.
	Bytes [2]uint64
	// Sampled counts the records that sampling has skipped. Records and Bytes do not
	// include them.
	Sampled [2]uint64
}
