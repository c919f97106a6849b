// Package event defines what a trace of kernel TLS reports: records, sockets,
// errors, dropped datagrams and losses, and the connections and processes they
// belong to. It contains plain data and imports nothing of BPF, terminals or files.
//
// # Events
//
// A tracer ([github.com/ktlstop/ktlstop/pkg/loader]) reports *Record, *Socket,
// *Error, *Drop and *Lost. Readers of a trace add *Summary at its end, *Host where
// the events of several machines are merged, and *Trigger where a flight recorder
// was set off. A consumer selects by a type switch and ignores the types that it does
// not know: later versions may add some.
//
// # Conventions
//
//   - A zero field means "not known", unless its comment gives zero a meaning.
//   - Durations are nanoseconds. Points in time (Mono) are nanoseconds of
//     CLOCK_MONOTONIC, which loader.WallOffset converts to wall time.
//   - An array of two elements has one element per direction and is indexed by Dir.
//   - Strings and names that processes or peers chose (Comm, Place, Control) are not
//     escaped. Escape them before they reach a terminal.
//
// The values have no locks. Whoever receives an event may keep and change it, except
// for a *Record of loader.Tracer.Run, which the tracer reuses, and for a *Place, which
// processes share and nobody changes.
package event

import (
	"net/netip"
	"strconv"
	"time"
)

// Event is one of the event types of this package, or an event that a reader of a trace
// adds, such as an HTTP request found in plaintext. The dynamic type is a pointer.
type Event interface {
	// Time returns when the event happened, in nanoseconds of CLOCK_MONOTONIC; 0 if
	// that is not known.
	Time() uint64
}

// Time implements Event.
func (r *Record) Time() uint64 { return r.Mono }

// Time implements Event.
func (s *Socket) Time() uint64 { return s.Mono }

// Time implements Event.
func (e *Error) Time() uint64 { return e.Mono }

// Time implements Event.
func (d *Drop) Time() uint64 { return d.Mono }

// Time implements Event.
func (l *Lost) Time() uint64 { return l.Mono }

// Time implements Event.
func (s *Summary) Time() uint64 { return s.Mono }

// Conn identifies one connection.
type Conn struct {
	// ID identifies the connection within one trace. A trace never uses an ID twice,
	// while the kernel reuses addresses and ports. It is 0 for a socket that has no
	// key yet, in an Error or an Observation.
	ID uint64
	// Cookie is the socket cookie, which ss -e prints.
	Cookie uint64
	// NetNS is the inode number of the network namespace.
	NetNS uint32
	// Family is the address family of the socket. An IPv6 socket with a mapped IPv4
	// address has FamilyINET6.
	Family Family
	// LAddr and LPort are the local address, RAddr and RPort that of the peer.
	LAddr, RAddr netip.Addr
	LPort, RPort uint16
	// KernelUser is the part of the kernel that owns the socket: nvme_tcp, nvmet_tcp,
	// nfs (a client of sunrpc), nfsd (a server of sunrpc), kcm, or the name of another
	// module. It is empty for the socket of a program, and until the kernel has taken
	// the socket over.
	KernelUser string
	// Host is the machine that reported the connection, where the events of several
	// machines are merged; empty otherwise.
	Host string
}

// Owner returns the owner of the connection. That is KernelUser as a kernel thread
// without a PID if it is set, and p otherwise. p is the process in whose call something
// happened: NVMe/TCP and NFS send and receive in calls of changing workers, and of any
// process that reads a file.
func (c *Conn) Owner(p *Process) Process {
	if c.KernelUser == "" {
		return *p
	}
	return Process{Comm: MakeComm(c.KernelUser), Kernel: true}
}

// KernelUser returns the part of the kernel that p stands for if Conn.Owner returned p
// for Conn.KernelUser, and the empty string if p is a task.
func (p *Process) KernelUser() string {
	if !p.Kernel || p.PID != 0 {
		return ""
	}
	return p.Comm.String()
}

// TLS describes how one direction of a connection is protected.
type TLS struct {
	Version Version
	Cipher  Cipher
	Mode    Mode
	// ZeroCopy reports that the kernel decrypted a received record directly into the
	// reader's memory.
	ZeroCopy bool
	// NoPad reports that the receiver expects TLS 1.3 records without padding, so
	// that the kernel can decrypt them directly into its memory
	// (TLS_RX_EXPECT_NO_PAD).
	NoPad bool
	// Card is how much of a received record the network card had decrypted.
	Card Card
}

// Record is one TLS or DTLS record that the kernel encrypted (TX) or decrypted (RX).
type Record struct {
	Conn Conn
	TLS  TLS
	// Proc is the process in whose call the kernel processed the record.
	Proc Process

	Dir Dir
	// Seq is the record sequence number under the current key: 64 bits for TLS
	// (RFC 8446 §5.3), 48 bits for DTLS (RFC 6347 §4.1).
	Seq uint64
	// Gen is the key generation of this direction: 0 for the first key, one more for
	// each KeyUpdate.
	Gen uint32
	// Epoch is the DTLS epoch (RFC 6347 §4.1). Datagram is the size in bytes of the
	// UDP payload that carries the record. Both are 0 for TLS.
	Epoch    uint16
	Datagram uint32
	Type     ContentType
	// Len is the length of the plaintext in bytes, without the inner content type and
	// the padding of TLS 1.3.
	Len uint32
	Op  Op

	// Mono is when the record was complete. A sent record is complete when TCP has it.
	// A received record is complete when the call that decrypted it goes on to the
	// next record or returns.
	Mono uint64
	Lat  Latency
	// Call describes the receive call. Only the last record that a call decrypted
	// has it.
	Call Call

	// Hidden counts the records of this direction that filters or sampling have
	// suppressed since the trace first saw the connection. If Hidden grows by n
	// between two records, n of the sequences between them are not lost.
	Hidden uint64

	// Skipped counts the records that sampling has skipped and that this one
	// represents.
	Skipped uint64

	// Unsent reports that the kernel encrypted the record and freed it before TCP had
	// all of it. Totals do not count such a record. Errno is the error that sending
	// had failed with; it is 0 if the connection was closed first.
	Unsent bool
	Errno  uint32

	// Unmatched reports that the expression of the run (loader.Config.Match) does not
	// hold, and that the kernel could not decide that. The record takes part in
	// sequence checks and must not be shown.
	Unmatched bool

	// Start is the first sequence of this key generation that the trace can have seen:
	// the first of a new key, or the next one at the time when the trace found the
	// connection. It is valid if HasStart is set.
	Start    uint64
	HasStart bool

	// Control holds the fields of an alert or handshake record. It is nil for
	// application data, and if the record could not be read.
	Control *Control

	// Payload holds the first bytes of the plaintext, at most loader.Config.Snaplen;
	// nil if there are none. It is valid until the handler of the event returns.
	Payload []byte
}

// AppendSeq appends the number of the record for people: the sequence for TLS, and
// epoch and sequence for DTLS ("1:77"), since DTLS sequences restart with each epoch.
func (r *Record) AppendSeq(b []byte) []byte {
	if r.TLS.Version.IsDTLS() {
		b = append(strconv.AppendUint(b, uint64(r.Epoch), 10), ':')
	}
	return strconv.AppendUint(b, r.Seq, 10)
}

// Weight returns how many records r represents, itself included.
func (r *Record) Weight() uint64 { return r.Skipped + 1 }

// Latency divides the time that a record took into stages, in nanoseconds
// (docs/design.md, "Times"). A stage that the trace did not see is 0.
type Latency struct {
	// Stage holds, for TX:
	//
	//	0 queue    from the first buffered byte to the start of encryption
	//	1 encrypt  to the end of encryption
	//	2 push     to the moment when TCP has the record
	//
	// and for RX:
	//
	//	0 wait     from the arrival of the whole record to a reader's taking it up
	//	1 decrypt  to the end of decryption
	//	2 deliver  until the call takes up the next record, or returns
	Stage [3]uint64
	// Total is the time from the first of these points to the last; 0 if the trace did
	// not see one of the two.
	Total uint64
}

// Call describes a receive call that decrypted records. It is zero while the call goes
// on, and if the trace did not see its return.
type Call struct {
	// Records is how many records the call decrypted, at most 65535.
	Records uint32
	// Time is how long the call took, in nanoseconds, from taking up its first record
	// to its return.
	Time uint64
}

// Control holds the readable fields of a control record; Record.Type selects them.
type Control struct {
	// AlertLevel and AlertDescription are the fields of an Alert (RFC 8446 §6), 0 for
	// other records.
	AlertLevel, AlertDescription uint8
	// Handshakes are the msg_types of the messages in a Handshake record, whole or in
	// part, in their order (RFC 8446 §4 and §5.1). It may hold only the first of
	// Messages. It is empty if the trace does not know where in a message the record
	// begins.
	Handshakes []uint8
	// Messages is how many messages the record has, at most 255; 0 if only the first
	// was examined.
	Messages int
	// ContinuesPrevious reports that the first message began in an earlier record,
	// ContinuesInNext that the last message continues in the next one.
	ContinuesPrevious, ContinuesInNext bool
}

// Error reports a record that the kernel could not encrypt or decrypt, a connection that
// the kernel's TLS code aborted, or a call that failed.
type Error struct {
	// Conn has no ID if the socket has no key yet.
	Conn Conn
	TLS  TLS
	Proc Process
	Mono uint64
	// Dir is valid if HasDir returns true.
	Dir Dir
	// Errno is the error number, which is positive.
	Errno uint32
	// Func is the kernel function that returned Errno.
	Func string
	// Seq, Gen and Type identify the record, as in Record.
	Seq  uint64
	Gen  uint32
	Type ContentType
	// More counts further calls that failed in the same way since the previous report.
	More uint32
	// Option is the option that the kernel refused, if Func sets or gets options. TLS
	// then holds the version and the cipher that the program asked for, if it did.
	Option Option
	// ProcIsOwner reports that the failure happened outside of any call. Proc is then
	// the process that made the last call on the connection, or that opened it.
	ProcIsOwner bool
	// Consumed reports that the kernel had already advanced the sequence when the
	// record failed, as it does with asynchronous crypto: the next record has the next
	// sequence.
	Consumed bool
	// Hidden is as in Record. It is valid if Consumed is set.
	Hidden uint64
	// Hint is the conclusion from this error, nil if there is none. The tracer does not
	// set it: a conclusion needs the events before.
	Hint *Hint
}

// Drop reports received DTLS records that no program reads. That is not a failure:
// datagrams can arrive twice, late, or from anybody.
type Drop struct {
	Conn Conn
	TLS  TLS
	// Proc is the owner of the connection.
	Proc Process
	Mono uint64
	// Epoch, Seq, Type, Len and Datagram are as in Record, as far as the record was
	// readable. If Count is more than one, they belong to the last record.
	Epoch    uint16
	Seq      uint64
	Type     ContentType
	Len      uint32
	Datagram uint32
	Reason   DropReason
	// Count is how many records of the connection were dropped for this reason since
	// the previous report, this one included.
	Count uint64
}

// HasDir reports whether e concerns one direction. It does not if the kernel refused TLS
// itself, or an option that belongs to neither direction.
func (e *Error) HasDir() bool {
	switch e.Option {
	case 0, OptionTX, OptionRX, OptionTXZeroCopy, OptionExpectNoPad:
		return true
	}
	return false
}

// getFunc is the kernel function that reads options; all others set them.
const getFunc = "tls_getsockopt"

// SetupStep returns the step of setting up kernel TLS that the kernel refused: "ulp" for
// TCP_ULP, "tx" or "rx" for the key of a direction, or the name of another option. It is
// empty if the call did not set an option.
func (e *Error) SetupStep() string {
	if e.Func == getFunc {
		return ""
	}
	switch e.Option {
	case OptionULP:
		return "ulp"
	case OptionTX:
		return "tx"
	case OptionRX:
		return "rx"
	}
	return e.Option.String()
}

// Hint is a conclusion from an event. ID is its name in docs/hints.md, and Text the
// conclusion in one line.
type Hint struct{ ID, Text string }

// MaxConns is the largest number of connections that a trace follows at a time. The BPF
// maps have no room for more; the loss conn_map_full counts records of others.
const MaxConns = 1<<13 + 262_144

// Lost reports records, or other events, that the trace has lost.
type Lost struct {
	// Mono is when the loss was noticed.
	Mono uint64
	// Cause is the reason, a name of docs/events.md, "lost". It defines what Count
	// counts.
	Cause string
	// Count is the number of losses since the previous Lost of the same cause and
	// direction.
	Count uint64
	// Conn is the connection, nil if it is not known. Only a gap in the sequences
	// identifies the connection of a loss.
	Conn *Conn
	// Dir is valid if Conn is not nil or HasDir is set.
	Dir    Dir
	HasDir bool
	// First and Last are the missing sequences, both included, if Conn is not nil.
	First, Last uint64
	// Host is as in Conn, for a loss without a Conn.
	Host string
}

// ProgramCost is the run time of one BPF program, summed over all processors. The kernel
// measures it (BPF_ENABLE_STATS of bpf(2)).
type ProgramCost struct {
	Name string
	// Runs is how often the program ran, and Nanos how long these runs took together.
	Runs  uint64
	Nanos uint64
	// Skipped is an upper bound, for the whole run, of how often the kernel skipped
	// the program because the same program was already running on that processor,
	// interrupted by another task.
	Skipped uint64
}

// Summary is the last event of a run and holds its totals. The tracer does not report it;
// the consumer that counts events creates it.
type Summary struct {
	Mono     uint64
	Duration time.Duration
	Totals   Totals
	// Sockets counts connections, Errors counts Error events, Dropped counts the
	// records of all Drop events.
	Sockets uint64
	Errors  uint64
	Dropped uint64
	// Unmatched counts the records that user space suppressed, because
	// Record.Unmatched is set or a socket filter rejected them.
	Unmatched uint64
	// Skipped counts those of Totals.Sampled that no reported record represents.
	Skipped [2]uint64
	// Lost counts losses by Lost.Cause. A gap that another cause explains is counted
	// once.
	Lost map[string]uint64
	// Forgotten counts connections that were evicted for want of room. What such a
	// connection lost until its next record is not known.
	Forgotten uint64
	// Duplicates counts records whose sequence had been reported before.
	Duplicates uint64
	// Evicted counts what else was evicted for want of room, by the names that
	// docs/events.md lists; nil if nothing was.
	Evicted map[string]uint64
	// Missing lists what this kernel does not support, a line each, with what the
	// user misses.
	Missing []string
	Tier    Tier
	// Cost is what the BPF programs took. The kernel measured them for CostOver of the
	// run.
	Cost     []ProgramCost
	CostOver time.Duration
	// Stopped is the reason, in one word, why the trace ended by itself
	// (docs/events.md); empty if it did not.
	Stopped string
	// Host is as in Conn.
	Host string
}
