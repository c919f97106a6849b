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

// backend puts the programs into the kernel and brings out what they tell.
// Both ways speak struct event of bpf/ktls_event.h.
type backend interface {
	// open loads and attaches, unless ctx ends. Nothing is told before setLive.
	open(ctx context.Context, cfg *Config) error
	// about is what is attached, and in words what this kernel lacks.
	about() (hooks []HookState, missing []string)
	setLive(on bool) error
	// attachCards attaches what only connections of network cards need, once, when the
	// first was met, as far as it comes until ctx ends; if wait, it waits for that. When it
	// is done it returns what was added, and in words what is missing.
	attachCards(ctx context.Context, wait bool) (added map[string]*ebpf.Program, missing []string)
	// inventory tells of the sockets that are open already; notFound is how many more the
	// kernel counts.
	inventory() (notFound int, err error)
	// read returns the next event, valid until the next call, or
	// os.ErrDeadlineExceeded.
	read() ([]byte, error)
	setDeadline(t time.Time)
	// fetch hands payloads to keep until that says that it is enough, or until
	// all that are there have been seen.
	fetch(keep func(wire.Payload) (enough bool)) error
	// conns visits the connections, eachPending the sealed records that others have
	// followed before TCP took them.
	conns(visit func(*wire.Conn) error) error
	eachPending(visit func(*wire.Event) error) error
	// reportFailures lets the programs tell of failures that they have only counted, but
	// of those told after a time.
	reportFailures(until uint64) error
	// held is what a connection holds back now; nil where that is nothing, or not known.
	held(conn uint64) (*event.Held, error)
	// driver is what the programs have noted of an implementation of a cipher.
	driver(place uint8) event.Driver
	// users names the parts of the kernel that have sockets; nil where that is not known.
	users() *kernelUsers
	// losses are the counters of enum lost, lossCounts.kernel.
	losses() (lossCounts, error)
	// programs are those that are attached, by name, to ask what they cost.
	programs() map[string]*ebpf.Program
	// newSums reads what the kernel adds up; nil where it does not.
	newSums() (*sums.Reader, error)
	// sampleEvery sets N of Config.Sample; nil where nothing can be left out.
	sampleEvery() interface{ Set(any) error }
	// rings says how full the buffers are, where that is known.
	rings(payload bool) []BufferUsage
	// loadFilter loads a socket filter of others.
	loadFilter(spec *ebpf.CollectionSpec, name string) (SocketFilter, error)
	// name is BackendEBPF or BackendGobpf.
	name() string
	// detach lets no program run any more; what they told can still be read.
	detach()
	close()
}

func newBackend(cfg *Config) backend {
	if cfg.UsesKprobes() {
		return newGobpfBackend()
	}
	return &ebpfBackend{}
}

// UsesKprobes says whether Open attaches by kprobes: only where they are asked
// for, or where there is no type information and this program can do without. They
// stay behind where a process ends without Tracer.Close; all else ends with it.
func (c *Config) UsesKprobes() bool {
	return haveGobpf && (c.Backend == BackendGobpf || c.Backend != BackendEBPF && !hasTypes())
}
