//go:build gobpf

package loader

import (
	"context"
	"errors"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/gobpf"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/sums"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

const haveGobpf = true

// gobpfBackend says to the room gobpf in its words what a Config asks for.
type gobpfBackend struct {
	*gobpf.Backend // nil until it is open
}

func newGobpfBackend() backend { return &gobpfBackend{} }

func (b *gobpfBackend) open(ctx context.Context, cfg *Config) error {
	if cfg.ListOnly {
		return &UnsupportedError{What: "the gobpf backend cannot list sockets: it meets them at their first record",
			Hint: "run it without Config.ListOnly, or use a kernel with type information", Setting: "ListOnly"}
	}
	if cfg.readsPayload() {
		return &UnsupportedError{What: "the gobpf backend does not look into plaintexts for Config.Match",
			Hint: "leave the tests of payload out, or use a kernel with type information", Setting: "Match"}
	}
	o, err := gobpfOptions(cfg)
	if err != nil {
		return err
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	b.Backend, err = gobpf.Open(o)
	var function gobpf.MissingFunction
	if errors.As(err, &function) {
		return missingFunction(string(function))
	}
	var lacks *gobpf.Unsupported
	if errors.As(err, &lacks) {
		return (*UnsupportedError)(lacks)
	}
	return err
}

func gobpfOptions(cfg *Config) (o gobpf.Options, err error) {
	o = gobpf.Options{PIDs: cfg.Filter.PIDs, Snaplen: cfg.Snaplen, BufferBytes: int(cfg.ring()),
		Match: cfg.Match != nil, Aggregate: cfg.Aggregate}
	if cfg.Snaplen > 0 {
		o.BufferBytes += int(cfg.payloadRing())
	}
	for _, c := range cfg.Filter.Comms {
		o.Comms = append(o.Comms, wantedName(c))
	}
	for _, h := range hooks {
		if h.fentryOnly {
			continue
		}
		o.Hooks = append(o.Hooks, gobpf.Hook{Program: h.program, Alternative: h.alternative, Function: h.function,
			Without: h.without, Required: h.required})
	}
	o.Settings, err = cfg.Filter.constants()
	return o, err
}

func (b *gobpfBackend) about() (states []HookState, missing []string) {
	all, missing := b.About()
	for _, h := range all {
		states = append(states, HookState(h))
	}
	return states, missing
}

func (b *gobpfBackend) losses() (n lossCounts, err error) {
	b.Losses(n.kernel())
	return n, nil
}

func (b *gobpfBackend) loadFilter(spec *ebpf.CollectionSpec, name string) (SocketFilter, error) {
	f, err := gobpf.LoadFilter(spec, name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (b *gobpfBackend) close() {
	if b.Backend != nil {
		b.Close()
	}
}

// What takes the room's word as it is.

func (b *gobpfBackend) setLive(on bool) error { return b.SetLive(on) }

func (b *gobpfBackend) read() ([]byte, error) { return b.Read() }

func (b *gobpfBackend) setDeadline(t time.Time) { b.SetDeadline(t) }

func (b *gobpfBackend) fetch(keep func(wire.Payload) bool) error { return b.Fetch(keep) }

func (b *gobpfBackend) conns(visit func(*wire.Conn) error) error { return b.Conns(visit) }

func (b *gobpfBackend) eachPending(visit func(*wire.Event) error) error { return b.EachPending(visit) }

func (b *gobpfBackend) programs() map[string]*ebpf.Program { return b.Programs() }

func (b *gobpfBackend) detach() { b.Detach() }

// What the room does not have.

func (b *gobpfBackend) name() string { return BackendGobpf }

func (b *gobpfBackend) inventory() (int, error) { return 0, nil }

func (b *gobpfBackend) users() *kernelUsers { return nil }

func (b *gobpfBackend) reportFailures(uint64) error { return nil }

func (b *gobpfBackend) driver(uint8) event.Driver { return event.Driver{} }

func (b *gobpfBackend) held(uint64) (*event.Held, error) { return nil, nil }

func (b *gobpfBackend) newSums() (*sums.Reader, error) { return nil, nil }

func (b *gobpfBackend) sampleEvery() interface{ Set(any) error } { return nil }

func (b *gobpfBackend) attachCards(context.Context, bool) (map[string]*ebpf.Program, []string) {
	return nil, nil
}

// rings is empty: gobpf does not tell how full the perf buffer is.
func (b *gobpfBackend) rings(bool) []BufferUsage { return nil }
