//go:build linux && (amd64 || arm64)

package loader

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/compile"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/ring"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/sums"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// ebpfBackend relocates the programs against the kernel's type information and attaches them by
// fentry and fexit. They report through ring buffers.
type ebpfBackend struct {
	coll              *ebpf.Collection
	links             []link.Link
	events            *ring.Reader
	payloads          *ringbuf.Reader
	hooks             []HookState
	missing           []string
	skippedNamespaces map[uint32]error // network namespaces that the inventory could not look into, by their numbers
	mu                sync.Mutex       // of hooks and missing, which attachCards adds to
	cfg               Config           // what the kernel takes of what was asked for
	cards             *cards           // nil until the first was met
	kernel            *kernelUsers     // of TLS
	// abandoned is the index of the cause that counts events whose writer never finished.
	abandoned int
}

func (b *ebpfBackend) open(ctx context.Context, cfg *Config) error {
	if err := checkTypes(); err != nil {
		return err
	}
	kernel, err := loadTypes()
	if err != nil {
		return err
	}
	best, err := loadBest(ctx, cfg, kernel)
	if err != nil {
		return err
	}
	b.coll, b.missing, b.cfg = best.coll, best.missing, *cfg
	b.kernel = &kernelUsers{symbols: b.coll.Maps["users"]}
	if cfg.Aggregate {
		b.abandoned = slices.Index(causes[:], causeEvents)
	}
	if err := b.openRings(best.prepared); err != nil {
		return err
	}
	if err := fillFilter(b.coll, &cfg.Filter); err != nil {
		return err
	}
	return b.attach(ctx, best.hooks)
}

// attach attaches one hook after the other: the kernel patches its code under one lock, and
// waiters spin.
func (b *ebpfBackend) attach(ctx context.Context, hooks []hook) error {
	for _, h := range hooks {
		if err := stopped(ctx); err != nil {
			return err
		}
		if isLate(h.group) {
			continue
		}
		links, err := attach(b.coll.Programs, h)
		b.links = append(b.links, links...)
		if err != nil && h.required {
			return err
		}
		b.hooks = append(b.hooks, HookState{h.function, err == nil, h.without})
		if err != nil {
			b.missing = append(b.missing, h.function+": "+err.Error())
		}
	}
	return nil
}

// prepared is the set of programs for a kernel and a run, before they are loaded.
type prepared struct {
	spec    *ebpf.CollectionSpec
	hooks   []hook
	missing []string
	ring    ring.Geometry
}

// prepare selects and configures the programs for this kernel and this run.
func prepare(cfg *Config, kernel *types) (*prepared, error) {
	spec, err := object.LoadKtls()
	if err != nil {
		return nil, fmt.Errorf("read the BPF object: %w", err)
	}
	present, missing, err := choose(spec, kernel)
	if err != nil {
		return nil, err
	}
	if err := setArguments(spec, kernel); err != nil {
		return nil, err
	}
	if err := setKernelVariables(spec); err != nil {
		if cfg.Snaplen > 0 || cfg.readsPayload() {
			return nil, err
		}
		missing = append(missing, "page addresses: alert and handshake records show no details ("+err.Error()+")")
	}
	delete(spec.Programs, "read_variable")
	delete(spec.Programs, "match_once")
	if !cfg.Aggregate {
		delete(spec.Programs, heldProgram)
	}
	if cfg.ListOnly {
		present = nil
		maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool {
			return name != inventoryProgram && name != connectedProgram
		})
	}
	if !cfg.ListOnly {
		present = chooseStages(spec, present, cfg.WithoutStages)
	}
	if err := setTwins(spec, preemptible(), cfg.Snaplen > 0 || cfg.readsPayload()); err != nil {
		return nil, err
	}
	geometry, err := divide(spec, cfg)
	if err != nil {
		return nil, err
	}
	spec.Maps["payloads"].MaxEntries = cfg.payloadRing()
	if !cfg.Aggregate {
		spec.Maps["stats"].MaxEntries, spec.Maps["hot_stats"].MaxEntries = 1, 1
	}
	for name, n := range cfg.entries {
		spec.Maps[name].MaxEntries = n
	}
	if err := object.Set(spec, "hot_full", uint32(object.BoolInt(cfg.hotFull))); err != nil {
		return nil, err
	}
	for name, p := range spec.Programs {
		if cfg.refuses != nil && cfg.refuses(cfg, groupOf(name)) {
			poison(p)
		}
	}
	if err := setOptions(spec, cfg); err != nil {
		return nil, err
	}
	object.Fold(spec)
	return &prepared{spec, present, missing, geometry}, nil
}

func setOptions(spec *ebpf.CollectionSpec, cfg *Config) error {
	values, err := commonOptions(cfg)
	if err != nil {
		return err
	}
	values["stages"] = uint64(object.BoolInt(!cfg.WithoutStages))
	values["plain_only"] = uint64(object.BoolInt(cfg.Aggregate && cfg.Match == nil && !cfg.Filter.filtersRecords()))
	values["aggregate"] = uint64(object.BoolInt(cfg.Aggregate))
	values["slow_ns"] = uint64(cfg.Slow)
	for name, v := range values {
		if err := setConstant(spec, name, v); err != nil {
			return err
		}
	}
	if err := setSampling(spec, cfg); err != nil {
		return err
	}
	if cfg.matchOutside {
		return nil
	}
	return compile.Into(spec, cfg.Match)
}

// commonOptions returns the constants of all programs that trace records.
func commonOptions(cfg *Config) (map[string]uint64, error) {
	values, err := cfg.Filter.constants()
	if err != nil {
		return nil, err
	}
	values["snaplen"] = uint64(cfg.Snaplen)
	values["nr_sendfile"] = unix.SYS_SENDFILE
	values["nr_splice"] = unix.SYS_SPLICE
	values["nr_uring"] = unix.SYS_IO_URING_ENTER
	return values, nil
}

// setConstant sets a constant of 4 or 8 bytes.
func setConstant(spec *ebpf.CollectionSpec, name string, v uint64) error {
	if c := spec.Variables[name]; c != nil && c.Size() == 4 {
		return object.Set(spec, name, uint32(v))
	}
	return object.Set(spec, name, v)
}

func loadError(err error) error {
	if errors.Is(err, ErrStopped) {
		return err
	}
	if errors.Is(err, unix.EPERM) {
		return &UnsupportedError{What: "not allowed to load BPF programs",
			Hint: "run as root; kernel lockdown in mode confidentiality forbids it altogether", Err: err}
	}
	return fmt.Errorf("load the BPF programs: %w", err)
}

// divide divides the event ring among the processors.
func divide(spec *ebpf.CollectionSpec, cfg *Config) (ring.Geometry, error) {
	n, err := ebpf.PossibleCPU()
	if err != nil {
		return ring.Geometry{}, fmt.Errorf("count the processors: %w", err)
	}
	g := ring.Divide(cfg.ring(), n)
	return g, g.Into(spec)
}

func (b *ebpfBackend) openRings(p *prepared) (err error) {
	if b.events, err = ring.Open(b.coll, p.ring, p.spec.Variables["ring_head"].Offset, p.spec.Variables["ring_tail"].Offset); err != nil {
		return fmt.Errorf("open the event ring: %w", err)
	}
	if b.payloads, err = ringbuf.NewReader(b.coll.Maps["payloads"]); err != nil {
		return fmt.Errorf("open the payload ring: %w", err)
	}
	return nil
}

func (b *ebpfBackend) sampleEvery() interface{ Set(any) error } {
	return b.coll.Variables["sample_every"]
}

func (b *ebpfBackend) about() ([]HookState, []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clip(b.hooks), slices.Clip(b.missing)
}

// setLive turns all programs on or off.
func (b *ebpfBackend) setLive(on bool) error {
	if err := b.coll.Variables["live"].Set(uint32(object.BoolInt(on))); err != nil {
		return fmt.Errorf("switch the programs: %w", err)
	}
	return nil
}

// heldArg is struct held_arg of bpf/ktls_syscall.h.
type heldArg struct {
	Conn         uint64
	Found, Holds uint32
	Held         object.KtlsHeld
}

func (b *ebpfBackend) held(conn uint64) (*event.Held, error) {
	prog := b.coll.Programs[heldProgram]
	if prog == nil {
		return nil, nil
	}
	arg := heldArg{Conn: conn}
	if _, err := prog.Run(&ebpf.RunOptions{Context: &arg, ContextOut: &arg}); err != nil {
		return nil, fmt.Errorf("ask what a connection holds back: %w", err)
	}
	if arg.Found == 0 || arg.Holds == 0 {
		return nil, nil
	}
	return wire.HeldOf(&arg.Held), nil
}

// driver looks the place up each time, since another module can replace one.
func (b *ebpfBackend) driver(place uint8) event.Driver {
	var d object.KtlsDriver
	if b.coll.Maps["drivers"].Lookup(uint32(place)-1, &d) != nil { // what is not known stays unknown
		return event.Driver{}
	}
	return wire.DriverOf(&d)
}

func (b *ebpfBackend) users() *kernelUsers { return b.kernel }

func (b *ebpfBackend) setDeadline(t time.Time) { b.events.SetDeadline(t) }

func (b *ebpfBackend) read() ([]byte, error) {
	e, err := b.events.Read()
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("read the event ring: %w", err)
	}
	return e, err
}

func (b *ebpfBackend) fetch(keep func(wire.Payload) bool) error {
	var rec ringbuf.Record
	var p wire.Payload
	b.payloads.SetDeadline(time.Now().Add(-time.Second))
	for {
		err := b.payloads.ReadInto(&rec)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the payload ring: %w", err)
		}
		if err := p.Decode(rec.RawSample); err != nil {
			return err
		}
		if keep(p) {
			return nil
		}
	}
}

func (b *ebpfBackend) each(name string, visit func(value []byte) error) error {
	var key, value []byte
	it := b.coll.Maps[name].Iterate()
	for it.Next(&key, &value) {
		if err := visit(value); err != nil {
			return err
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func (b *ebpfBackend) eachPending(visit func(*wire.Event) error) error {
	return b.each("pending", func(value []byte) error { return wire.VisitEvent(value, visit) })
}

// reportFailures runs a program only if a failure was counted.
func (b *ebpfBackend) reportFailures(until uint64) error {
	prog := b.coll.Programs[failuresProgram]
	var folded uint32
	if prog == nil || b.coll.Variables["suppressed"].Get(&folded) != nil || folded == 0 {
		return nil
	}
	if _, err := prog.Run(&ebpf.RunOptions{Context: &until}); err != nil {
		return fmt.Errorf("tell of calls that have failed: %w", err)
	}
	return nil
}

func (b *ebpfBackend) conns(visit func(*wire.Conn) error) error {
	err := b.each("conns", func(value []byte) error {
		c, err := wire.Read[object.KtlsConn](value)
		if err != nil || c.Alive == 0 {
			return err
		}
		return visit(wire.ConnOf(c))
	})
	if err != nil {
		return err
	}
	return b.eachHot(visit)
}

// eachHot visits the connections that have a place in the variable "hot".
func (b *ebpfBackend) eachHot(visit func(*wire.Conn) error) error {
	places := make([]object.KtlsConn, hotPlaces)
	if err := b.coll.Variables["hot"].Get(places); err != nil {
		return fmt.Errorf("read the connections: %w", err)
	}
	for i := range places {
		if places[i].Alive == 0 { // nobody's place
			continue
		}
		if err := visit(wire.ConnOf(&places[i])); err != nil {
			return err
		}
	}
	return nil
}

// hotPlaces is how many connections the variable "hot" has room for (HOT_BITS of
// bpf/ktls_sums.h).
const hotPlaces = 1 << 13

func (b *ebpfBackend) losses() (n lossCounts, err error) {
	for i := range n.kernel() {
		var perCPU []uint64
		if err := b.coll.Maps["lost"].Lookup(uint32(i), &perCPU); err != nil {
			return n, fmt.Errorf("read the loss counters: %w", err)
		}
		n[i] = sum(perCPU)
	}
	// Of which direction they were is not known. The sums have their records.
	n[2*b.abandoned] += b.events.Abandoned()
	return n, nil
}

func (b *ebpfBackend) name() string { return BackendEBPF }

func (b *ebpfBackend) programs() map[string]*ebpf.Program { return b.coll.Programs }

func (b *ebpfBackend) newSums() (*sums.Reader, error) {
	return sums.New(b.coll.Maps["stats"], b.coll.Maps["hot_stats"], b.coll.Variables["stream_conn"], b.kernel.at)
}

func (b *ebpfBackend) rings(payload bool) []BufferUsage {
	fills := []BufferUsage{{"events", []string{"ring_full", causeEvents}, b.events.Size(), b.events.Used()}}
	if payload {
		fills = append(fills, BufferUsage{"payloads", []string{"payload_ring_full"}, uint64(b.payloads.BufferSize()), uint64(b.payloads.AvailableBytes())})
	}
	return fills
}

func (b *ebpfBackend) detach() {
	for _, l := range b.links {
		l.Close()
	}
	b.links = nil
	b.cards.end()
	if b.events != nil {
		b.events.End()
	}
}

func (b *ebpfBackend) close() {
	b.detach()
	if b.events != nil {
		b.events.Close()
		b.events = nil
	}
	if b.payloads != nil {
		b.payloads.Close()
	}
	b.cards.close()
	if b.coll != nil {
		b.coll.Close()
	}
}
