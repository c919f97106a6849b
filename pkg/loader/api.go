package loader

import (
	"context"
	"errors"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// tracerMethods are a Tracer's, those of systems that it cannot run on included.
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

// watchMethods are a Watch's in the same way.
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

// HookState is one hook that the tracer wants and this kernel has.
type HookState struct {
	// Function is the kernel's.
	Function string
	Attached bool
	// Without is what the user misses where it is not attached; empty where that
	// is nothing, or where there is nothing to trace without it.
	Without string
}

// BufferUsage says how full a ring buffer or a map is.
type BufferUsage struct {
	Name string
	// Causes are those of event.Lost under which what finds no room there is told.
	Causes []string
	// Size and Used are bytes of the rings "events" and "payloads", and entries of
	// the map "stats" as they were at the last Samples.
	Size, Used uint64
}

// GroupState is programs that stand or fall together, and how they fare on a kernel.
type GroupState struct {
	Name string `json:"name"`
	// Programs is how many this kernel wants, Loads whether it takes them.
	Programs int  `json:"programs"`
	Loads    bool `json:"loads"`
	// Without is what a user misses without it, Why the reason where it does not load.
	Without string `json:"without"`
	Why     string `json:"why,omitempty"`
}

// SocketFilter is a loaded eBPF program of the type BPF_PROG_TYPE_SOCKET_FILTER,
// which others wrote.
type SocketFilter interface {
	// Attach puts it on a socket, by its descriptor.
	Attach(fd int) error
	// Close lets go of the program; a socket that it is attached to keeps it.
	Close()
}

// ErrUnsupportedPlatform is the cause of an *UnsupportedError of a program that was built for a
// system or a processor which nothing can be traced on.
var ErrUnsupportedPlatform = errors.New("nothing can be traced here")

// ErrAmbiguousFilter is of an object with several socket filters, of which none was
// named.
var ErrAmbiguousFilter = errors.New("it holds several socket filters, name one of them")

// ErrStopped is of an Open whose context ended before the programs were live.
var ErrStopped = errors.New("stopped before the hooks were live")
