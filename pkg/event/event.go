// Package event holds the plain types that the tracer's parts pass to each
// other: what a record, a socket, an error or a loss is. It knows nothing of
// BPF, of terminals or of files.
//
// What is not known is zero. Times are nanoseconds, on the clock CLOCK_MONOTONIC
// where they are points in time (Mono); arrays of two are indexed by Dir.
package event

import (
	"net/netip"
	"strconv"
	"time"
)

// Event is one of *Record, *Socket, *Error, *Drop and *Lost, which a tracer tells, a
// *Summary, which whoever counts them writes at the end, a *Host, which says whose
// they are, or what else a reader of these adds.
type Event interface {
	// Time is CLOCK_MONOTONIC in nanoseconds when it happened; 0 if unknown.
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

// Conn is the identity of one connection.
type Conn struct {
	// ID names the connection for the life of one trace. It is never 0 and
	// never used twice, while the kernel reuses addresses and ports.
	ID uint64
	// Cookie is the socket cookie that ss -e prints; 0 if unknown.
	Cookie uint64
	// NetNS is the inode number of the network namespace.
	NetNS uint32
	// Family is that of the socket; a mapped IPv4 address on an IPv6 socket
	// keeps FamilyINET6.
	Family       Family
	LAddr, RAddr netip.Addr
	LPort, RPort uint16
	// KernelUser is the part of the kernel that has the socket, as far as it can be told:
	// nvme_tcp, nvmet_tcp, nfs (a client of sunrpc), nfsd (a server of it), kcm, or the
	// name of another module. Empty for a program's, and until it has taken the socket.
	KernelUser string
	// Host names the machine where events of several are put together; empty
	// otherwise.
	Host string
}

// Owner is who has the connection: the part of the kernel, named like a kernel thread and
// without a number, or else p, in whose call something happened. What NVMe/TCP or NFS sends
// and receives happens in calls of workers that change, and of whoever reads a file.
func (c *Conn) Owner(p *Process) Process {
	if c.KernelUser == "" {
		return *p
	}
	return Process{Comm: MakeComm(c.KernelUser), Kernel: true}
}

// KernelUser is the part of the kernel that Owner has named, empty of a task.
func (p *Process) KernelUser() string {
	if !p.Kernel || p.PID != 0 {
		return ""
	}
	return p.Comm.String()
}

// TLS says how one direction of a connection is protected.
type TLS struct {
	Version Version
	Cipher  Cipher
	Mode    Mode
	// ZeroCopy says that a received record was opened straight into the reader's
	// memory.
	ZeroCopy bool
	// NoPad says that a receiver expects TLS 1.3 records without padding, and
	// so has them opened straight into its memory (TLS_RX_EXPECT_NO_PAD).
	NoPad bool
	// Card is what a network card had opened of a record received, where it was asked to.
	Card Card
}

// Record is one record of TLS or DTLS that the kernel sealed (TX) or opened (RX).
type Record struct {
	Conn Conn
	TLS  TLS
	Proc Process

	Dir Dir
	// Seq is the 64-bit record sequence number under the present key.
	Seq uint64
	// Gen counts the keys of this direction: 0 for the first, one more for
	// each KeyUpdate.
	Gen uint32
	// Epoch is DTLS's number of the keys, with which Seq has 48 bits (RFC 6347 §4.1);
	// Datagram is how many bytes the UDP payload has that carries the record. Both are
	// 0 of TLS.
	Epoch    uint16
	Datagram uint32
	Type     ContentType
	// Len is the length of the plaintext in bytes, without the inner content
	// type and padding of TLS 1.3.
	Len uint32
	Op  Op

	// Mono is CLOCK_MONOTONIC in nanoseconds when the record was complete:
	// handed to TCP (TX), or the call that opened it went on to the next record or
	// returned (RX).
	Mono uint64
	Lat  Latency
	// Call is the call that has opened records, of RX and of the last of them.
	Call Call

	// Hidden counts the records of this direction that the filters kept back,
	// or sampling left out, since the trace saw the connection: a step in it
	// explains a step in Seq.
	Hidden uint64

	// Skipped counts the records that sampling left out and that this one stands
	// for.
	Skipped uint64

	// Unsent says that the record was sealed, and freed before TCP had all of it: it
	// is in no total of what was sent. Errno is what sending had failed with, 0 where
	// the connection was closed first.
	Unsent bool
	Errno  uint32

	// Unmatched says that the run's expression (loader.Config.Match) does not hold,
	// which the kernel could not tell: the record counts for the sequences and is
	// not to be shown.
	Unmatched bool

	// Start is the first sequence of this generation that the trace can have
	// seen: that of the new key, or where the connection stood when it was found.
	// HasStart says that it is known.
	Start    uint64
	HasStart bool

	// Control is what an alert or a handshake record says; nil for application
	// data, and where it could not be read.
	Control *Control

	// Payload is the plaintext's first bytes, as many as the tier allows; nil
	// without payload. Valid until the next event is read.
	Payload []byte
}

// AppendSeq appends the record's number as people read it: of DTLS, whose numbers begin
// anew with each key, epoch and number, as in "1:77".
func (r *Record) AppendSeq(b []byte) []byte {
	if r.TLS.Version.IsDTLS() {
		b = append(strconv.AppendUint(b, uint64(r.Epoch), 10), ':')
	}
	return strconv.AppendUint(b, r.Seq, 10)
}

// Weight is how many records r stands for, itself included.
func (r *Record) Weight() uint64 { return r.Skipped + 1 }

// Latency is the time split of a record in nanoseconds (docs/design.md, "Times"). A stage
// that was not seen is 0.
type Latency struct {
	// Stage is for TX queue (first byte buffered, to sealing begins), encrypt (to
	// sealed) and push (to handed to TCP); for RX wait (the whole record received,
	// to a reader takes it up), decrypt (to opened) and deliver (to its call takes up
	// the next one, or returns).
	Stage [3]uint64
	// Total is from the first of these points to the last, 0 where one is unknown.
	Total uint64
}

// Call is a receive call that has opened records. The zero value: it goes on, or its return
// was not seen.
type Call struct {
	// Records is how many it has opened, at most 65535.
	Records uint32
	// Time is in nanoseconds, from when it took up the first of them to its return; 0 where
	// that is not known.
	Time uint64
}

// Control is the readable part of a control record, by Record.Type.
type Control struct {
	// AlertLevel and AlertDescription are an Alert's, of RFC 8446 §6; 0 and 0 of
	// other records.
	AlertLevel, AlertDescription uint8
	// Handshakes are the msg_types of the messages of which a Handshake record has
	// a part, in their order (RFC 8446 §4 and §5.1): the first of Messages. None of
	// a Handshake record: it is not known where in its messages it begins.
	Handshakes []uint8
	// Messages is how many there are, at most 255; 0 where only the first was looked at.
	Messages int
	// ContinuesPrevious: the first began in a record before; ContinuesInNext: the last has more in
	// one behind.
	ContinuesPrevious, ContinuesInNext bool
}

// Error is a record that could not be opened or sealed, a connection that the
// kernel's TLS code aborted, or a call that failed.
type Error struct {
	// Conn has no ID where the socket has no key yet.
	Conn Conn
	TLS  TLS
	Proc Process
	Mono uint64
	Dir  Dir
	// Errno is the positive error number.
	Errno uint32
	// Func is the kernel function that returned it.
	Func string
	// Seq, Gen and Type are the record's, as in Record.
	Seq  uint64
	Gen  uint32
	Type ContentType
	// More counts the calls that have failed in the same way since the last of them
	// was told, besides this one.
	More uint32
	// Option is what a socket was refused, where Func sets or gets one; TLS has the
	// version and the cipher that it was to be for, as far as the program said.
	Option Option
	// ProcIsOwner says that no call is to blame, and that Proc is who made the last one on
	// the connection, or who opened it.
	ProcIsOwner bool
	// Consumed says that the kernel had counted the record as read when it failed,
	// as asynchronous crypto makes it do: the next record has the next sequence.
	Consumed bool
	// Hidden is as in Record, if Taken.
	Hidden uint64
	// Hint is what follows from it, nil where nothing does. The tracer leaves it to
	// whoever sees all events.
	Hint *Hint
}

// Drop is a record of DTLS that came and that nobody reads: that is no failure, since
// datagrams may come twice, late, or from anybody.
type Drop struct {
	Conn Conn
	TLS  TLS
	// Proc is who has the connection.
	Proc Process
	Mono uint64
	// Epoch, Seq, Type, Len and Datagram are as in Record, as far as the record could
	// be read, of the last where there are several.
	Epoch    uint16
	Seq      uint64
	Type     ContentType
	Len      uint32
	Datagram uint32
	Reason   DropReason
	// Count is how many of the connection were dropped for this reason: this one, and
	// those since the last that was told.
	Count uint64
}

// HasDir says whether e is about one direction: not where TLS itself, or an option of
// neither, was refused.
func (e *Error) HasDir() bool {
	switch e.Option {
	case 0, OptionTX, OptionRX, OptionTXZeroCopy, OptionExpectNoPad:
		return true
	}
	return false
}

// getFunc is the kernel function that answers what a socket asks, not what it sets.
const getFunc = "tls_getsockopt"

// SetupStep is the step of switching kernel TLS on that was refused: ulp for the protocol,
// tx or rx for a direction's key, or the name of another option that was set. It is empty
// where nothing was set.
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

// Hint is a conclusion: ID is its name in docs/hints.md, Text says it.
type Hint struct{ ID, Text string }

// MaxConns is how many connections a trace follows at a time: the kernel side has
// no room for more (the cause conn_map_full).
const MaxConns = 1<<13 + 262_144

// Lost is a number of records or other facts that the trace knows it missed.
type Lost struct {
	// Mono is when it was noticed.
	Mono uint64
	// Cause is one of docs/events.md, "lost", which says what Count counts.
	Cause string
	// Count is what is new since the last Lost of the cause and direction.
	Count uint64
	// Conn is nil where the connection is not known: only a gap in its sequences
	// tells it.
	Conn *Conn
	// Dir is known where Conn is, and where HasDir says so.
	Dir    Dir
	HasDir bool
	// First and Last bound the missing sequences where Conn is set.
	First, Last uint64
	// Host is as in Conn, where that is not known.
	Host string
}

// ProgramCost is the run time of one BPF program on all processors, from bpf_stats.
type ProgramCost struct {
	Name string
	// Runs took Nanos nanoseconds together.
	Runs  uint64
	Nanos uint64
	// Skipped counts, over the whole run, how often at most the kernel did not
	// run the program, because it had interrupted it for another task.
	Skipped uint64
}

// Summary is the last event of a run. A tracer does not make it: it adds up what was
// told.
type Summary struct {
	Mono     uint64
	Duration time.Duration
	Totals   Totals
	// Sockets counts connections, Errors the events, Dropped the records of each Drop.
	Sockets uint64
	Errors  uint64
	Dropped uint64
	// Unmatched counts the records that user space left out, since Record.Unmatched
	// is set or a socket filter refused them.
	Unmatched uint64
	// Skipped counts those of Totals.Sampled that no record stands for.
	Skipped [2]uint64
	// Lost counts by Lost.Cause; a gap that another cause explains counts once.
	Lost map[string]uint64
	// Forgotten counts how often a connection was given up for want of room:
	// what it lost until its next record is not known.
	Forgotten uint64
	// Duplicates counts the records that were told again, with a sequence that
	// had been told before.
	Duplicates uint64
	// Evicted counts what else was given up for want of room, by what
	// docs/events.md lists; nil if nothing was.
	Evicted map[string]uint64
	// Missing lists the hooks that could not be attached, with what that
	// costs the user.
	Missing []string
	Tier    Tier
	// Cost is what the programs took in the CostOver of the run in which the
	// kernel measured them.
	Cost     []ProgramCost
	CostOver time.Duration
	// Stopped says in one word why the trace ended by itself (docs/events.md); empty
	// if it did not.
	Stopped string
	// Host is as in Conn.
	Host string
}
