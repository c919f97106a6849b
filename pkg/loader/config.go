package loader

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// MaxSnaplen is the largest Config.Snaplen: the largest plaintext of a record, 2^14 bytes
// (RFC 8446 §5.1).
const MaxSnaplen = 16384

// Match is an expression over records. ParseMatch returns it.
type Match = match.Expr

// ParseMatch parses an expression over records, such as "len > 1000" (docs/match.md). The
// error names the position in the text.
func ParseMatch(text string) (*Match, error) { return match.Parse(text) }

// Config selects what to trace. The zero value traces every record without payload. Open
// copies it: later changes have no effect.
type Config struct {
	// Filter suppresses events in the kernel.
	Filter Filter
	// Match, if not nil, suppresses the records for which it does not hold. The kernel
	// suppresses them if it can evaluate the expression; otherwise Run reports them
	// with event.Record.Unmatched. Match does not apply to sockets, errors and losses.
	Match *Match
	// Names, if not nil, sets the fields of a process that the kernel does not know
	// (event.Process.Place), which Match may test. Run calls it, in its goroutine.
	Names func(*event.Process)
	// Snaplen is how many bytes of each plaintext leave the kernel, 0 to MaxSnaplen.
	Snaplen int
	// RingBytes and PayloadRingBytes are the sizes in bytes of the rings of events and
	// of payloads: powers of two from 4 KiB to 1 GiB; 0 means 8 MiB and 32 MiB. While
	// Snaplen is 0, the payload ring has the smallest size.
	RingBytes, PayloadRingBytes int
	// Aggregate makes the kernel add records up, for Tracer.Samples. Run then reports
	// control records, errors, sockets and the records of the connection that
	// Tracer.Stream chooses; only that connection has payload.
	Aggregate bool
	// WithoutStages omits the hooks between the beginning and the end of a record. Of
	// its latency, only the total is then known, and not even that for a record which
	// TCP had no room for when it was encrypted. It needs Aggregate and excludes
	// Snaplen.
	WithoutStages bool
	// Slow, if not 0, makes Run report each TLS record that took at least so long in
	// total, from its first byte or its arrival. It needs Aggregate, whose sums include
	// these records. For most of them only the total was measured: their stages and
	// their call are not known, and their process is the one last seen on the
	// connection. Records without a total are never reported, which with
	// WithoutStages are those that waited for TCP. Each processor reports at most 100
	// such records a second; the loss slow_limit counts the others.
	Slow time.Duration
	// Backend is BackendAuto (or empty), BackendEBPF or BackendGobpf.
	Backend string
	// Sample, if not nil, allows sampling. It excludes Aggregate, which counts every
	// record.
	Sample *Sampling
	// Cost makes the tracer measure the run time of the programs from time to time, for
	// Tracer.Cost at the end of the run.
	Cost bool
	// MaxCPU, if not 0, limits the run time of the programs, in percent of one
	// processor. Above the limit the tracer samples fewer records, if Sample is set;
	// if that is not enough, Run returns a *CostError.
	MaxCPU float64
	// Notice, if not nil, gets a line for the user when the tracer acts on MaxCPU, when
	// it begins to trace DTLS because the module was loaded, and when something is
	// missing for DTLS or for the first network card. Run calls it, in its goroutine.
	Notice func(string)
	// ListOnly takes the inventory of open sockets and attaches no hooks: Run reports
	// only *event.Socket.
	ListOnly bool
	// matchOutside: user space evaluates the expression, which the kernel rejects.
	matchOutside bool
	// attached, if not nil, is called when the hooks are attached and not live yet. A
	// test starts its traffic there.
	attached func()
	// walked, if not nil, is called when the inventory has visited the sockets of files,
	// and has not compared them with the kernel's counters. A test opens and closes
	// sockets there.
	walked func()
	// entries are sizes of maps that a test makes too small.
	entries map[string]uint32
	// hotFull makes connections find no place in the variable "hot".
	hotFull bool
	// assumeCard attaches the hooks for network cards without a connection of one.
	assumeCard bool
	// refuses, if not nil, reports which groups of programs the kernel is to reject, for
	// a test.
	refuses func(c *Config, group string) bool
}

// Sampling makes Run report only some records: control records, slow records, and one in
// Every of the others, which represents the skipped ones (event.Record.Skipped).
type Sampling struct {
	// Every is 1 to MaxSample; 1 skips no record.
	Every uint32
	// Auto raises Every while the event ring is more than about half full.
	Auto bool
}

// MaxSample is the largest Sampling.Every.
const MaxSample = 1_000_000

// Filter suppresses events in the kernel. A zero field matches everything, and all fields
// must match. The process is the one in whose call a record is encrypted or decrypted,
// whoever owns the socket. If a socket matches when it is found or opened, all of its socket
// events are reported, regardless of Dir.
type Filter struct {
	// PIDs are process ids (not thread ids) in the initial PID namespace, at most 1,024.
	// One of them must match.
	PIDs []uint32
	// Comms are names of tasks (/proc/PID/comm), at most 64. One of them must be equal
	// to the task's name; only their first 15 bytes count, as in the kernel.
	Comms []string
	// UID is the real user id in the initial user namespace.
	UID *uint32
	// Cgroup is the path of a cgroup v2 directory. Processes in it and below it match;
	// for a socket that the inventory finds, only a process in the directory itself.
	Cgroup string
	// NetNS is the inode number of the socket's network namespace, that of
	// /proc/PID/ns/net.
	NetNS uint32
	// Port is the local or the remote port.
	Port uint16
	// Dir is the direction of a record.
	Dir *event.Dir
}

const (
	defaultRing        = 8 << 20
	defaultPayloadRing = 32 << 20
	maxRing            = 1 << 30
	maxPercent         = 100_000
)

// Check returns an error if a field of c is invalid or excludes another. It does not look
// at the machine. Open calls it.
func (c *Config) Check() error {
	if c.Snaplen < 0 || c.Snaplen > MaxSnaplen {
		return fmt.Errorf("snaplen %d is outside 0 to %d", c.Snaplen, MaxSnaplen)
	}
	if err := checkBackend(c.Backend); err != nil {
		return err
	}
	for _, n := range []int{c.RingBytes, c.PayloadRingBytes} {
		if n != 0 && (n < object.PageSize || n > maxRing || n&(n-1) != 0) {
			return fmt.Errorf("ring of %d bytes: the size must be a power of two from %d to %d", n, object.PageSize, maxRing)
		}
	}
	if err := c.checkSample(); err != nil {
		return err
	}
	if c.MaxCPU < 0 || c.MaxCPU > maxPercent || math.IsNaN(c.MaxCPU) {
		return fmt.Errorf("%v percent of a processor: it must be more than 0, to %d", c.MaxCPU, maxPercent)
	}
	return c.checkStages()
}

func (c *Config) checkStages() error {
	switch {
	case c.Slow < 0:
		return fmt.Errorf("slow records from %v on: a time is 0 or more", c.Slow)
	case c.Slow > 0 && !c.Aggregate:
		return errors.New("slow records as events: without sums in the kernel each record is one")
	case !c.WithoutStages:
		return nil
	case !c.Aggregate:
		return errors.New("records without their stages: only sums in the kernel do without")
	case c.Snaplen > 0 || c.readsPayload():
		return errors.New("plaintext without stages: it is looked at where sealing begins")
	}
	return nil
}

func (c *Config) checkSample() error {
	switch s := c.Sample; {
	case s == nil:
		return nil
	case s.Every == 0:
		return errors.New("sampling one record in 0: 1 leaves nothing out")
	case s.Every > MaxSample:
		return fmt.Errorf("sampling one record in %d: more than %d are not left out", s.Every, MaxSample)
	case c.Aggregate:
		return errors.New("sampling together with sums in the kernel: the sums count every record")
	}
	return nil
}

// readsPayload reports whether the expression tests the plaintext.
func (c *Config) readsPayload() bool { return c.Match != nil && len(c.Match.PayloadTests) > 0 }

func (c *Config) ring() uint32 { return uint32(orDefault(c.RingBytes, defaultRing)) }

func (c *Config) payloadRing() uint32 {
	if c.Snaplen == 0 {
		return uint32(object.PageSize)
	}
	return uint32(orDefault(c.PayloadRingBytes, defaultPayloadRing))
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// Names of the backends, for Config.Backend.
const (
	// BackendAuto selects BackendGobpf if this build has it and the kernel has no type
	// information, and BackendEBPF otherwise.
	BackendAuto = "auto"
	// BackendEBPF attaches by fentry and fexit, which needs type information (BTF).
	BackendEBPF = "ebpf"
	// BackendGobpf attaches by kprobes, for kernels without type information. Only
	// builds with the tag gobpf have it.
	BackendGobpf = "gobpf"
)

// ErrNoGobpf is the error of Config.Check for BackendGobpf in a build without the tag gobpf.
var ErrNoGobpf = errors.New("this program was built without the gobpf backend: the build tag gobpf adds it")

// checkBackend returns an error if Config.Backend is invalid.
func checkBackend(name string) error {
	switch name {
	case "", BackendAuto, BackendEBPF:
		return nil
	case BackendGobpf:
		if haveGobpf {
			return nil
		}
		return ErrNoGobpf
	}
	return fmt.Errorf("unknown backend %q: auto, ebpf or gobpf", name)
}
