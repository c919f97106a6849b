//go:build gobpf

// Package gobpf traces kernels without type information: with kprobes, through
// github.com/iovisor/gobpf, and with offsets that it learns from the kernel. It reports
// the same events as the programs of kernels with type information.
package gobpf

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/iovisor/gobpf/elf"
	"github.com/iovisor/gobpf/pkg/cpuonline"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/gobpf/learn"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/gobpf/module"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// Unsupported says what the machine lacks.
type Unsupported = module.Unsupported

// Options are the options of a run, as the programs need them.
type Options struct {
	// Hooks are the functions to attach to.
	Hooks []Hook
	// Settings are the filter's values of enum setting (bpf/gobpf/settings.h); PIDs
	// and Comms are its lists.
	Settings map[string]uint64
	PIDs     []uint32
	Comms    [][16]byte
	// Snaplen is how many bytes of each plaintext are copied out of the kernel.
	Snaplen int
	// BufferBytes is divided among the processors.
	BufferBytes int
	// Match and Aggregate: the run wants an expression, or sums. This backend leaves
	// both to user space, and About says so.
	Match, Aggregate bool
}

// Hook is one requested kernel function.
type Hook struct {
	// Program is its name among the hooks, Alternative that of another one; one of the
	// two is enough.
	Program, Alternative string
	Function             string
	// Without is what the user misses if it cannot be attached.
	Without string
	// Required hooks are those without which there is nothing to show.
	Required bool
}

// HookState is a hook and whether it is attached.
type HookState struct {
	Function string
	Attached bool
	Without  string
}

// Backend attaches the same programs by kprobes and kretprobes, relocated with the
// learned offsets. They send through a perf buffer. Its methods are for one goroutine.
type Backend struct {
	options  Options
	m        *module.Module
	perf     *elf.PerfMap
	samples  chan []byte
	payloads []wire.Payload
	queue    [][]byte // events to be read before the samples
	deadline time.Time
	hooks    []HookState
	missing  []string
	marker   *module.Marker
	lost     []byte // the map of this name
	running  map[string]*ebpf.Program
}

// MissingFunction is the name of a required function that this kernel does not have.
type MissingFunction string

// Error names the missing function; the caller can say what it is for.
func (l MissingFunction) Error() string { return "the kernel has no function " + string(l) }

// Open loads and attaches the programs. Nothing is reported before SetLive. The error
// is an *Unsupported if the machine lacks something, or Lacking.
func Open(o Options) (*Backend, error) {
	o.Hooks = append(slices.Clone(o.Hooks), announced...)
	b := &Backend{options: o}
	if err := b.open(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// announced are hooks of this backend alone: from 7.2 on, a record is announced when it
// is there, or its reader finds it.
var announced = []Hook{
	{Program: "data_ready", Function: "tls_rx_msg_maybe_announce", Alternative: "msg_ready", Without: "the rx stage wait is unknown"},
	{Program: "msg_parsed", Function: "tls_strp_check_rcv"},
}

func (b *Backend) open() error {
	var functions []string
	for _, h := range b.options.Hooks {
		functions = append(functions, h.Function)
	}
	k, err := learn.ReadSymbols(functions)
	if err != nil {
		return err
	}
	if err := b.require(k); err != nil {
		return err
	}
	known, err := learn.Kernel(k)
	if err != nil {
		return err
	}
	b.noteMissing(known)
	spec, err := object.LoadKprobe()
	if err != nil {
		return fmt.Errorf("read the BPF object: %w", err)
	}
	b.choose(spec, k, known)
	if err := b.load(spec, known); err != nil {
		return err
	}
	if err := b.fillFilter(); err != nil {
		return err
	}
	if b.marker, err = module.NewMarker(); err != nil {
		return err
	}
	if err := b.attach(spec); err != nil {
		return err
	}
	if err := b.shareCounters(); err != nil {
		return err
	}
	b.findPrograms(spec)
	return b.listen()
}

// require looks for the required functions, before records are made to learn from.
func (b *Backend) require(k *learn.Symbols) error {
	for _, h := range b.options.Hooks {
		if h.Required && !k.Functions[h.Function] {
			return MissingFunction(h.Function)
		}
	}
	return nil
}

// noteMissing reports what is missing before the hooks are examined.
func (b *Backend) noteMissing(known *learn.Knowledge) {
	b.missing = append(b.missing, known.Missing...)
	b.missing = append(b.missing, "inventory: connections that are open already show at their first record",
		"socket cookies: 0 unless another program asks for them",
		"TLS_RX_EXPECT_NO_PAD: which receivers have it is not reported",
		"network cards: records that one seals are not reported, nor how much one has opened")
	if b.options.Match {
		b.missing = append(b.missing, "expressions in the kernel: they are evaluated in user space")
	}
	if b.options.Aggregate {
		b.missing = append(b.missing, "sums in the kernel: each record comes as an event")
	}
}

// choose drops the programs whose functions this kernel does not have.
func (b *Backend) choose(spec *ebpf.CollectionSpec, k *learn.Symbols, known *learn.Knowledge) {
	if _, ok := known.Layout.Fields["tls_strparser.msg_ready"]; !ok {
		// The programs that would call it; known.Missing says where they matter.
		for _, function := range []string{"tls_rx_msg_maybe_announce", "tls_strp_check_rcv"} {
			delete(spec.Programs, function+"_enter")
			delete(spec.Programs, function+"_exit")
		}
	}
	programs := map[string]bool{} // functions
	for name, p := range spec.Programs {
		function := module.FunctionOf(p.SectionName)
		programs[function] = true
		if !k.Functions[function] {
			delete(spec.Programs, name)
		}
	}
	have := map[string]bool{}
	for _, h := range b.options.Hooks {
		have[h.Program] = k.Functions[h.Function] && programs[h.Function]
	}
	if have["msg_ready"] { // msg_parsed would be needless
		delete(spec.Programs, "tls_strp_check_rcv_enter")
		delete(spec.Programs, "tls_strp_check_rcv_exit")
	}
	for _, h := range b.options.Hooks {
		switch {
		case have[h.Program]:
			continue
		case h.Without != "" && !have[h.Alternative]:
			b.missing = append(b.missing, h.Function+": "+h.Without)
		}
	}
}

func (b *Backend) load(spec *ebpf.CollectionSpec, known *learn.Knowledge) (err error) {
	o, settings := &b.options, maps.Clone(b.options.Settings)
	maps.Copy(settings, known.Settings)
	settings["snaplen"] = uint64(o.Snaplen)
	settings["plaintext"] = uint64(object.BoolInt(known.Plaintext()))
	if o.Snaplen > 0 && !known.Plaintext() {
		return &Unsupported{What: "payload is not to be had on this kernel: " + strings.Join(known.Missing, "; "),
			Hint: "trace without payload, that is with Config.Snaplen 0", Setting: "Snaplen"}
	}
	settings["nr_sendfile"], settings["nr_splice"], settings["nr_uring"] = unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_IO_URING_ENTER
	settings["tgid"] = uint64(os.Getpid())
	b.m, err = module.Load(spec, known.Layout, settings, map[string]elf.SectionParams{
		"maps/events": {PerfRingBufferPageCount: perfPages(o.BufferBytes)},
	})
	return err
}

// perfPages divides the given number of bytes among the processors.
func perfPages(total int) int {
	pages := 16
	for pages*2*os.Getpagesize()*onlineCPUs() <= total {
		pages *= 2
	}
	return pages
}

func onlineCPUs() int {
	cpus, err := cpuonline.Get()
	if err != nil || len(cpus) == 0 {
		return 1
	}
	return len(cpus)
}

func (b *Backend) fillFilter() error {
	for _, pid := range b.options.PIDs {
		if err := b.m.Update("want_pid", binary.NativeEndian.AppendUint32(nil, pid), []byte{1}); err != nil {
			return fmt.Errorf("filter by pid %d: %w", pid, err)
		}
	}
	for _, name := range b.options.Comms {
		if err := b.m.Update("want_name", name[:], []byte{1}); err != nil {
			return fmt.Errorf("filter by name %q: %w", unix.ByteSliceToString(name[:]), err)
		}
	}
	return nil
}

// attach attaches the returns first: then every call whose entry is seen is complete.
func (b *Backend) attach(spec *ebpf.CollectionSpec) error {
	var sections []string
	for _, p := range spec.Programs {
		sections = append(sections, p.SectionName)
	}
	slices.Sort(sections)
	slices.Reverse(sections)
	if err := module.ClearEvents(sections); err != nil {
		return err
	}
	hooks := b.options.Hooks
	for _, s := range sections {
		function := module.FunctionOf(s)
		err := b.m.Attach(s)
		i := slices.IndexFunc(hooks, func(h Hook) bool { return h.Function == function })
		if err != nil && (i < 0 || hooks[i].Required) {
			return fmt.Errorf("attach to %s: %w", function, err)
		}
		if i < 0 {
			continue
		}
		b.hooks = append(b.hooks, HookState{function, err == nil, hooks[i].Without})
		if err != nil {
			b.missing = append(b.missing, function+": "+err.Error())
		}
	}
	return nil
}

// About describes what is attached, and what this kernel lacks.
func (b *Backend) About() ([]HookState, []string) { return b.hooks, b.missing }

// SetLive makes all programs report records, or none.
func (b *Backend) SetLive(on bool) error {
	run := make([]byte, 16) // struct run
	zero := make([]byte, 4)
	if err := b.m.Lookup("run", zero, run); err != nil {
		return fmt.Errorf("switch the programs: %w", err)
	}
	binary.NativeEndian.PutUint64(run, uint64(object.BoolInt(on)))
	if next := run[8:]; binary.NativeEndian.Uint64(next) == 0 {
		next[0] = 1
	}
	if err := b.m.Update("run", zero, run); err != nil {
		return fmt.Errorf("switch the programs: %w", err)
	}
	return nil
}

// Conns visits the connections.
func (b *Backend) Conns(visit func(*wire.Conn) error) error {
	return b.m.Each("conns", func(_, value []byte) error {
		c, err := wire.Read[object.KprobeConn](value)
		if err != nil {
			return err
		}
		return visit(wire.ConnOfKprobe(c))
	})
}

// EachPending visits the sealed records that later ones have followed.
func (b *Backend) EachPending(visit func(*wire.Event) error) error {
	return b.m.Each("pending", func(_, value []byte) error { return wire.VisitEvent(value, visit) })
}

// shareCounters maps the loss counters into memory: the kernel skips kprobe programs on
// a processor during a bpf system call that reads a map, and that can take long where
// the kernel preempts its own code (bpf_prog_active).
func (b *Backend) shareCounters() (err error) {
	b.lost, err = unix.Mmap(b.m.Map("lost").Fd(), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("share the loss counters: %w", err)
	}
	return nil
}

// Losses reads the first counters of enum lost.
func (b *Backend) Losses(n []uint64) {
	for i := range n {
		n[i] = atomic.LoadUint64((*uint64)(unsafe.Pointer(&b.lost[8*i])))
	}
}

// findPrograms gives the meter the programs to query. A program that cannot be queried
// is not measured.
func (b *Backend) findPrograms(spec *ebpf.CollectionSpec) {
	b.running = map[string]*ebpf.Program{}
	for name, p := range spec.Programs {
		fd, err := unix.FcntlInt(uintptr(b.m.Kprobe(p.SectionName).Fd()), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if prog, err := ebpf.NewProgramFromFD(fd); err == nil { // it owns fd now
			b.running[name] = prog
		}
	}
}

// Programs are those that are attached, by name.
func (b *Backend) Programs() map[string]*ebpf.Program { return b.running }

// Close detaches and frees everything.
func (b *Backend) Close() {
	if b.perf != nil {
		b.perf.PollStop()
		for range b.samples { // gobpf closes it when it has stopped reading
		}
		b.perf = nil
	}
	for _, p := range b.running {
		p.Close()
	}
	b.running = nil
	if b.lost != nil {
		_ = unix.Munmap(b.lost) // it is only read
		b.lost = nil
	}
	if b.m != nil {
		_ = b.m.Close() // the next start removes what this could not
		b.m = nil
	}
	if b.marker != nil {
		b.marker.Close()
		b.marker = nil
	}
}
