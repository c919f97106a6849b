//go:build linux && (amd64 || arm64)

package loader

import (
	"context"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/sums"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// backend loads the programs into the kernel and reads what they report. Both backends use
// struct event of bpf/ktls_event.h.
type backend interface {
	// open loads and attaches, unless ctx ends. The programs report nothing before setLive.
	open(ctx context.Context, cfg *Config) error
	// about returns the hooks, and in words what this kernel lacks.
	about() (hooks []HookState, missing []string)
	setLive(on bool) error
	// attachCards attaches the hooks for network cards in the background, once, when the
	// first connection of one has appeared. If wait is set, it waits until they are
	// attached or ctx ends. The first call after that returns the programs that were
	// added and, in words, what is missing.
	attachCards(ctx context.Context, wait bool) (added map[string]*ebpf.Program, missing []string)
	// inventory reports the sockets that are already open. notFound is how many more the
	// kernel counts.
	inventory() (notFound int, err error)
	// read returns the next event, valid until the next call, or
	// os.ErrDeadlineExceeded.
	read() ([]byte, error)
	setDeadline(t time.Time)
	// fetch calls keep for each payload in the ring, until keep returns true.
	fetch(keep func(wire.Payload) (enough bool)) error
	// conns visits the connections. eachPending visits the encrypted records that wait for
	// TCP while others have followed them.
	conns(visit func(*wire.Conn) error) error
	eachPending(visit func(*wire.Event) error) error
	// reportFailures makes the programs report the failures that they have only counted,
	// except for those that were reported after a time.
	reportFailures(until uint64) error
	// held returns what a connection holds back now; nil if that is nothing or not known.
	held(conn uint64) (*event.Held, error)
	// driver returns the implementation of a cipher that the programs noted at a place.
	driver(place uint8) event.Driver
	// users names the parts of the kernel that own sockets; nil if that is not known.
	users() *kernelUsers
	// losses returns the counters of enum lost, lossCounts.kernel.
	losses() (lossCounts, error)
	// programs returns the attached programs by name, to measure what they cost.
	programs() map[string]*ebpf.Program
	// newSums returns a reader of the kernel's sums; nil if the kernel keeps none.
	newSums() (*sums.Reader, error)
	// sampleEvery sets N of Config.Sample; nil if the backend cannot sample.
	sampleEvery() interface{ Set(any) error }
	// rings returns how full the buffers are, if that is known.
	rings(payload bool) []BufferUsage
	// loadFilter loads a socket filter of the user.
	loadFilter(spec *ebpf.CollectionSpec, name string) (SocketFilter, error)
	// name returns BackendEBPF or BackendGobpf.
	name() string
	// detach detaches all programs. What they have reported can still be read.
	detach()
	close()
}

func newBackend(cfg *Config) backend {
	if cfg.UsesKprobes() {
		return newGobpfBackend()
	}
	return &ebpfBackend{}
}

// UsesKprobes reports whether Open attaches by kprobes: if Config.Backend asks for them, or
// if the kernel has no type information and this build has the gobpf backend. Kprobes
// remain if a process ends without Tracer.Close; everything else ends with the process.
func (c *Config) UsesKprobes() bool {
	return haveGobpf && (c.Backend == BackendGobpf || c.Backend != BackendEBPF && !hasTypes())
}
