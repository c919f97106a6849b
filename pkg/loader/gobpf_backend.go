//go:build gobpf

package loader

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
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/sums"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

const haveGobpf = true

// gobpfBackend attaches the same programs by kprobes and kretprobes, relocated
// against what it has learned of the kernel, through github.com/iovisor/gobpf.
// They speak through a perf buffer.
type gobpfBackend struct {
	m        *module
	perf     *elf.PerfMap
	samples  chan []byte
	payloads []wire.Payload
	queue    [][]byte // events to be read before the samples
	deadline time.Time
	hooks    []HookState
	missing  []string
	marker   *marker
	lost     []byte // the map of this name
	running  map[string]*ebpf.Program
}

func newGobpfBackend() backend { return &gobpfBackend{} }

func (b *gobpfBackend) open(cfg *Config) error {
	if cfg.ListOnly {
		return &UnsupportedError{What: "the gobpf backend cannot list sockets: it meets them at their first record",
			Hint: "use ktlstop trace, or a kernel with type information"}
	}
	if cfg.looksInside() {
		return &UnsupportedError{What: "the gobpf backend does not look into plaintexts for --match",
			Hint: "leave the tests of payload out, or use a kernel with type information"}
	}
	k, err := readKernelSymbols()
	if err != nil {
		return err
	}
	known, err := learned(k)
	if err != nil {
		return err
	}
	b.missing = append(b.missing, known.Missing...)
	b.missing = append(b.missing, "inventory: connections that are open already show at their first record",
		"socket cookies: 0 unless another program asks for them",
		"TLS_RX_EXPECT_NO_PAD: it is not told which receivers have it")
	if cfg.Match != nil {
		b.missing = append(b.missing, "expressions in the kernel: they are evaluated in user space")
	}
	if cfg.Aggregate {
		b.missing = append(b.missing, "sums in the kernel: each record comes as an event")
	}
	spec, err := loadKprobe()
	if err != nil {
		return fmt.Errorf("read the BPF object: %w", err)
	}
	if err := b.choose(spec, k, known); err != nil {
		return err
	}
	if err := b.load(spec, known, cfg); err != nil {
		return err
	}
	if err := b.fillFilter(&cfg.Filter); err != nil {
		return err
	}
	if b.marker, err = newMarker(); err != nil {
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

// choose drops the programs of functions that this kernel does not have.
func (b *gobpfBackend) choose(spec *ebpf.CollectionSpec, k *kernelSymbols, known *knowledge) error {
	if _, ok := known.Layout.Fields["tls_strparser.msg_ready"]; !ok {
		// The programs that would ask it; known.Missing tells where they matter.
		for _, function := range []string{"tls_rx_msg_maybe_announce", "tls_strp_check_rcv"} {
			delete(spec.Programs, function+"_enter")
			delete(spec.Programs, function+"_exit")
		}
	}
	programs := map[string]bool{} // functions
	for name, p := range spec.Programs {
		function := functionOf(p.SectionName)
		programs[function] = true
		if !k.functions[function] {
			delete(spec.Programs, name)
		}
	}
	have := map[string]bool{}
	for _, h := range hooks {
		have[h.program] = k.functions[h.function] && programs[h.function]
	}
	if have["msg_ready"] { // msg_parsed would be needless
		delete(spec.Programs, "tls_strp_check_rcv_enter")
		delete(spec.Programs, "tls_strp_check_rcv_exit")
	}
	for _, h := range hooks {
		switch {
		case h.program == "set_ulp": // a kprobe program cannot make a cookie
			continue
		case have[h.program]:
			continue
		case h.required:
			return &UnsupportedError{What: "this kernel's TLS code has no function " + h.function + " to attach to",
				Hint: "README.md lists the kernels that are known to work"}
		case h.without != "" && !have[h.alternative]:
			b.missing = append(b.missing, h.function+": "+h.without)
		}
	}
	return nil
}

func functionOf(section string) string { return section[strings.Index(section, "/")+1:] }

func (b *gobpfBackend) load(spec *ebpf.CollectionSpec, known *knowledge, cfg *Config) error {
	settings, err := cfg.Filter.constants()
	if err != nil {
		return err
	}
	maps.Copy(settings, known.Settings)
	settings["snaplen"] = uint64(cfg.Snaplen)
	settings["plaintext"] = uint64(boolInt(known.plaintext()))
	if cfg.Snaplen > 0 && !known.plaintext() {
		return &UnsupportedError{What: "payload is not to be had on this kernel: " + strings.Join(known.Missing, "; "),
			Hint: "trace without payload"}
	}
	settings["nr_sendfile"], settings["nr_splice"] = unix.SYS_SENDFILE, unix.SYS_SPLICE
	settings["tgid"] = uint64(os.Getpid())
	b.m, err = loadModuleSpec(spec, known.Layout, settings, map[string]elf.SectionParams{
		"maps/events": {PerfRingBufferPageCount: perfPages(cfg)},
	})
	return err
}

// perfPages shares the rings' sizes among the processors.
func perfPages(cfg *Config) int {
	total := int(cfg.ring())
	if cfg.Snaplen > 0 {
		total += int(cfg.payloadRing())
	}
	pages := 16
	for pages*2*os.Getpagesize()*onlineCPUs() <= total {
		pages *= 2
	}
	return pages
}

func (b *gobpfBackend) fillFilter(f *Filter) error {
	for _, pid := range f.PIDs {
		if err := b.m.update("want_pid", binary.NativeEndian.AppendUint32(nil, pid), []byte{1}); err != nil {
			return fmt.Errorf("filter by pid %d: %w", pid, err)
		}
	}
	for _, c := range f.Comms {
		name := [16]byte(wantedName(c))
		if err := b.m.update("want_name", name[:], []byte{1}); err != nil {
			return fmt.Errorf("filter by name %q: %w", c, err)
		}
	}
	return nil
}

// attach begins with the returns: a call whose entry is kept is then taken.
func (b *gobpfBackend) attach(spec *ebpf.CollectionSpec) error {
	var sections []string
	for _, p := range spec.Programs {
		sections = append(sections, p.SectionName)
	}
	slices.Sort(sections)
	slices.Reverse(sections)
	if err := clearEvents(sections); err != nil {
		return err
	}
	for _, s := range sections {
		function := functionOf(s)
		err := b.m.attach(s)
		i := slices.IndexFunc(hooks, func(h hook) bool { return h.function == function })
		if err != nil && (i < 0 || hooks[i].required) {
			return fmt.Errorf("attach to %s: %w", function, err)
		}
		if i < 0 {
			continue
		}
		b.hooks = append(b.hooks, HookState{function, err == nil, hooks[i].without})
		if err != nil {
			b.missing = append(b.missing, function+": "+err.Error())
		}
	}
	return nil
}

func (b *gobpfBackend) about() ([]HookState, []string) { return b.hooks, b.missing }

func (b *gobpfBackend) setLive(on bool) error {
	run := make([]byte, 16) // struct run
	zero := make([]byte, 4)
	if err := b.m.lookup("run", zero, run); err != nil {
		return fmt.Errorf("switch the programs: %w", err)
	}
	binary.NativeEndian.PutUint64(run, uint64(boolInt(on)))
	if next := run[8:]; binary.NativeEndian.Uint64(next) == 0 {
		next[0] = 1
	}
	if err := b.m.update("run", zero, run); err != nil {
		return fmt.Errorf("switch the programs: %w", err)
	}
	return nil
}

func (b *gobpfBackend) inventory() error { return nil }

func (b *gobpfBackend) each(name string, visit func(value []byte) error) error {
	return b.m.each(name, func(_, value []byte) error { return visit(value) })
}

func (b *gobpfBackend) name() string { return BackendGobpf }

func (b *gobpfBackend) newSums() *sums.Reader { return nil }

func (b *gobpfBackend) sampleEvery() interface{ Set(any) error } { return nil }

// rings is empty: gobpf does not tell how full the perf buffer is.
func (b *gobpfBackend) rings(bool) []Fill { return nil }

// shareCounters maps the loss counters into memory: the kernel skips kprobe
// programs on a processor where a bpf system call that reads a map is under way,
// and where it preempts its own code that can take long (bpf_prog_active).
func (b *gobpfBackend) shareCounters() (err error) {
	b.lost, err = unix.Mmap(b.m.Map("lost").Fd(), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("share the loss counters: %w", err)
	}
	return nil
}

func (b *gobpfBackend) losses() (n [len(causes)]uint64, err error) {
	for i := range n {
		n[i] = atomic.LoadUint64((*uint64)(unsafe.Pointer(&b.lost[8*i])))
	}
	return n, nil
}

// findPrograms gives the meter what it asks the kernel about. What cannot be
// asked about stays unmeasured.
func (b *gobpfBackend) findPrograms(spec *ebpf.CollectionSpec) {
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

func (b *gobpfBackend) programs() map[string]*ebpf.Program { return b.running }

func (b *gobpfBackend) close() {
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
		_ = b.m.Close() // what it could not remove, the next start removes
		b.m = nil
	}
	if b.marker != nil {
		b.marker.close()
		b.marker = nil
	}
}
