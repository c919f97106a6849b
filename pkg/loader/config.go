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

// MaxSnaplen is the largest plaintext of a record, 2^14 bytes (RFC 8446 §5.1).
const MaxSnaplen = 16384

// Match is an expression that ParseMatch has read.
type Match = match.Expr

// ParseMatch reads an expression over records, as docs/match.md describes it.
// The error names the place in the text.
func ParseMatch(text string) (*Match, error) { return match.Parse(text) }

// Config says what to trace. The zero value traces every record without
// payload.
type Config struct {
	Filter Filter
	// Match keeps back records for which it does not hold: in the kernel where
	// it can be told there, else as event.Record.Unmatched. It says nothing of
	// sockets, errors and losses. nil lets all pass.
	Match *Match
	// Names, if not nil, gives a process the names that the kernel does not know
	// (event.Process), for which Match may ask. Run calls it.
	Names func(*event.Process)
	// Snaplen is how many bytes of each plaintext leave the kernel, 0 to
	// MaxSnaplen.
	Snaplen int
	// RingBytes and PayloadRingBytes are the sizes of the two ring buffers in
	// bytes, powers of two from 4 KiB to 1 GiB; 0 takes 8 MiB and 32 MiB. There is
	// no payload ring to speak of while Snaplen is 0.
	RingBytes, PayloadRingBytes int
	// Aggregate adds records up in the kernel, for Tracer.Samples: only control
	// records, errors, sockets and the records of the connection that
	// Tracer.Stream chooses come as events. Payload is of that connection alone.
	Aggregate bool
	// WithoutStages leaves out the hooks between a record's begin and its end: of its
	// times only the total is known, and a record that TCP had no room for when it was
	// sealed has none. It needs Aggregate, and excludes Snaplen.
	WithoutStages bool
	// Slow, if not 0, has each record of TLS come as an event too that took at least that
	// long in all, from its first byte or its arrival on: with Aggregate, whose sums have it
	// as well. Of most nobody has looked at more than the total: their stages and their
	// call are unknown then, and the process is the one last seen to use the connection.
	// A record without a total never comes: with WithoutStages one that waited for TCP.
	// At most 100 a second are told on each processor; the loss slow_limit counts the others.
	Slow time.Duration
	// Backend is BackendAuto (or empty), BackendEBPF or BackendGobpf.
	Backend string
	// Sample, if not nil, lets records be left out. It excludes Aggregate, which
	// counts all of them.
	Sample *Sampling
	// Cost measures what the programs take, now and then, for the figure of
	// Tracer.Cost at the end of the run.
	Cost bool
	// MaxCPU, if not 0, is how much time of one processor the programs may take,
	// in percent. Above it Sample, if there is one, is raised, and at last Run
	// ends with a *CostError.
	MaxCPU float64
	// Notice, if not nil, is told what the tracer does about MaxCPU, that it has begun to
	// trace DTLS, since the module of that has come, and what is missing of that, or of
	// what the first network card needs. Run calls it.
	Notice func(string)
	// ListOnly takes the inventory of open sockets and attaches no hooks: the
	// *event.Socket of Run are all there is.
	ListOnly bool
	// matchOutside: the kernel does not take the expression.
	matchOutside bool
	// attached lets a test begin its traffic when the hooks are attached, and not live yet.
	attached func()
	// walked lets a test open and close sockets when those of files have been visited, and
	// not compared with what the kernel counts yet.
	walked func()
	// entries are sizes of maps that a test makes too small.
	entries map[string]uint32
	// hotFull lets connections find no place in the variable "hot".
	hotFull bool
	// assumeCard is as if a connection of a network card were met.
	assumeCard bool
	// refuses, if not nil, says which groups a test has the kernel refuse.
	refuses func(c *Config, group string) bool
}

// Sampling makes events of some records only: control records, those that take
// long, and of the others one in Every, with how many it stands for
// (event.Record.Skipped).
type Sampling struct {
	// Every is 1 to MaxSample; 1 leaves nothing out.
	Every uint32
	// Auto makes it more while the event ring is more than about half full.
	Auto bool
}

// MaxSample is the largest Sampling.Every.
const MaxSample = 1_000_000

// Filter keeps events back in the kernel; an empty field lets all pass, and
// all fields must match. The process is that in whose call a record is sealed or
// opened, whoever owns the socket. Of a socket that matches when it is found or
// opened all is told, whatever its Dir.
type Filter struct {
	// PIDs are process ids, not those of threads, as the initial PID namespace
	// numbers them; at most 1,024. One of them must match.
	PIDs []uint32
	// Comms are names of tasks (/proc/PID/comm), whole but for what the kernel
	// cuts behind 15 bytes; at most 64. One of them must match.
	Comms []string
	// UID is the real user id, as the initial user namespace numbers it.
	UID *uint32
	// Cgroup is the path of a cgroup v2 directory; processes below it match too,
	// but for sockets that are found: their owner must be in it itself.
	Cgroup string
	// NetNS is the inode number of the socket's network namespace, which
	// stat(2) of /proc/PID/ns/net tells.
	NetNS uint32
	// Port is the local or the remote one.
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

// Check says what is wrong with c, before anything is loaded.
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

// readsPayload: the expression tests the plaintext.
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
	// BackendAuto is BackendEBPF where the kernel has type information, or where
	// this build has no other.
	BackendAuto = "auto"
	// BackendEBPF attaches by fentry and fexit, which takes type information (BTF).
	BackendEBPF = "ebpf"
	// BackendGobpf attaches by kprobes, for kernels without; in builds with the tag
	// gobpf only.
	BackendGobpf = "gobpf"
)

// ErrNoGobpf is of a Config that asks for a backend which is not in this build.
var ErrNoGobpf = errors.New("this program was built without the gobpf backend: the build tag gobpf adds it")

// checkBackend says what is wrong with Config.Backend.
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
