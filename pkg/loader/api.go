package loader

import (
	"context"
	"errors"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// tracerMethods are the methods of a Tracer, on systems without tracing too.
type tracerMethods interface {
	Run(ctx context.Context, handle func(event.Event) error, idle func() error) error
	Losses(handle func(event.Event) error) error
	Aggregates() bool
	Samples(visit func(*event.Sample)) error
	Stream(conn uint64) error
	Held(conn uint64) (*event.Held, error)
	Connections() ([]*event.Socket, error)
	Backend() string
	Tier() event.Tier
	Missing() []string
	Hooks() []HookState
	Rings() []BufferUsage
	Measure(on bool)
	Cost() Cost
	Duration() time.Duration
	Incomplete() uint64
	OpenSocketFilter(object, name string) (SocketFilter, error)
	Close()
}

// watchMethods are the methods of a Watch in the same way.
type watchMethods interface {
	Run(ctx context.Context, handle func(*event.Observation)) (dropped uint64, err error)
	Missing() []string
	Sees(function string) bool
	Skipped() uint64
	Since(mono uint64) time.Duration
	Close()
}

var (
	_ tracerMethods = (*Tracer)(nil)
	_ watchMethods  = (*Watch)(nil)
)

// HookState is the state of one hook whose kernel function exists.
type HookState struct {
	// Function is the kernel function, or the tracepoint.
	Function string
	Attached bool
	// Without is what the user misses if the hook is not attached. It is empty if the
	// user misses nothing, or if nothing can be traced without the hook.
	Without string
}

// BufferUsage is how full a ring buffer or a BPF map is.
type BufferUsage struct {
	// Name is "events" or "payloads" for a ring, and "stats" for the map of sums.
	// The rings of DTLS have the prefix "dtls ".
	Name string
	// Causes are the causes of event.Lost that count what finds no room in the buffer.
	Causes []string
	// Size and Used are bytes for a ring. For a map they are entries, as of the last
	// call of Samples.
	Size, Used uint64
}

// GroupState is the state of a group of programs. The kernel verifies a group as a whole:
// it loads all of its programs or none.
type GroupState struct {
	Name string `json:"name"`
	// Programs is how many programs this kernel needs, and Loads whether it loads them.
	Programs int  `json:"programs"`
	Loads    bool `json:"loads"`
	// Without is what the user misses without the group. Why is the reason if Loads is
	// false.
	Without string `json:"without"`
	Why     string `json:"why,omitempty"`
}

// SocketFilter is a loaded eBPF program of type BPF_PROG_TYPE_SOCKET_FILTER that the user
// provides.
type SocketFilter interface {
	// Attach attaches the filter to the socket with a file descriptor.
	Attach(fd int) error
	// Close releases the program. A socket that it is attached to keeps it.
	Close()
}

// ErrUnsupportedPlatform is the cause of an *UnsupportedError if the program was built for
// an operating system or a processor without tracing.
var ErrUnsupportedPlatform = errors.New("nothing can be traced here")

// ErrAmbiguousFilter is the error of OpenSocketFilter for an object with several socket
// filters, if the caller did not name one.
var ErrAmbiguousFilter = errors.New("it holds several socket filters, name one of them")

// ErrStopped is the error of Open and OpenWatch if the context ended before the programs
// were live.
var ErrStopped = errors.New("stopped before the hooks were live")
