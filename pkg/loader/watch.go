//go:build linux && (amd64 || arm64)

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// watchHooks are the programs of bpf/ktls_doctor.bpf.c. They are attached one by one; without
// is what the user misses if one of them is not.
var watchHooks = []hook{
	{program: "ulp_exit", function: "tcp_set_ulp", vmlinux: true, without: "who asks for kernel TLS is not seen"},
	{program: "key_exit", function: "tls_setsockopt", without: "keys, and what the kernel answers to them, are not seen"},
	{program: "mptcp_exit", function: "mptcp_setsockopt", vmlinux: true, alternative: absent, without: "that a socket is one of MPTCP shows by nothing"},
	{program: "device_tx_exit", function: "tls_set_device_offload", alternative: absent, without: "network cards' answers are not seen"},
	{program: "device_rx_exit", function: "tls_set_device_offload_rx", alternative: absent, without: "network cards' answers are not seen"},
	{program: "hello_send", function: "tcp_sendmsg", vmlinux: true, without: "handshakes' messages that are sent are not seen"},
	{program: "hello_receive", function: "tcp_recvmsg", vmlinux: true, without: "handshakes' messages that are received are not seen"},
	{program: "hello_received", function: "tcp_recvmsg", vmlinux: true, without: "handshakes' messages that are received are not seen"},
}

// absent is the alternative of a hook that a kernel without the function does not need: a
// kernel without MPTCP has no MPTCP sockets.
const absent = "-"

// Watch reports the requests of programs to set up kernel TLS, the kernel's results, and
// the first messages of TLS handshakes. It shares nothing with a Tracer. It does not load
// the module tls, since that it is missing may be what the user looks for.
//
// Run must be called by one goroutine. Missing and Since may be called at any time, Sees
// and Skipped until Close, and Close when no other method runs.
type Watch struct {
	coll     *ebpf.Collection
	links    []link.Link
	programs []watching
	ring     *ringbuf.Reader
	missing  []string
	begin    time.Time
}

// watching is a program and the function that it is attached to.
type watching struct {
	prog     *ebpf.Program
	function string
}

// OpenWatch loads and attaches the programs. The error is an *UnsupportedError if the
// machine lacks something, or ErrStopped if ctx ended first.
func OpenWatch(ctx context.Context) (*Watch, error) {
	if err := checkRights(); err != nil {
		return nil, err
	}
	kernel, err := loadTypes()
	if err != nil {
		return nil, err
	}
	w := new(Watch)
	if err := w.open(ctx, kernel); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *Watch) open(ctx context.Context, kernel *types) error {
	spec, err := object.LoadDoctor()
	if err != nil {
		return fmt.Errorf("read the BPF object: %w", err)
	}
	programs := spec.Programs
	spec.Programs = map[string]*ebpf.ProgramSpec{}
	if w.coll, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: kernel.cache}); err != nil {
		return loadError(err)
	}
	if w.ring, err = ringbuf.NewReader(w.coll.Maps["watch_events"]); err != nil {
		return fmt.Errorf("open the ring: %w", err)
	}
	for _, h := range watchHooks {
		if err := stopped(ctx); err != nil {
			return err
		}
		if kernel.function(h.function, h.vmlinux) == nil {
			if h.alternative == absent {
				continue
			}
			w.addMissing(h, "the kernel has no such function, or the module tls was not loaded when the watch began")
			continue
		}
		spec.Programs = map[string]*ebpf.ProgramSpec{h.program: programs[h.program]}
		if err := w.attach(spec, kernel); err != nil {
			w.addMissing(h, reason(err))
		}
	}
	w.begin = time.Now()
	if len(w.links) == 0 {
		return &UnsupportedError{What: "nothing can be watched here: " + w.missing[0], Hint: "what needs no watch can still be looked at"}
	}
	return nil
}

func (w *Watch) addMissing(h hook, why string) {
	w.missing = append(w.missing, h.function+": "+h.without+" ("+why+")")
}

// attach loads the one program of spec and attaches it.
func (w *Watch) attach(spec *ebpf.CollectionSpec, kernel *types) error {
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: kernel.cache, MapReplacements: w.coll.Maps})
	if err != nil {
		return err
	}
	defer coll.Close()
	for name, p := range coll.Programs {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return err
		}
		w.links = append(w.links, l)
		w.programs = append(w.programs, watching{coll.DetachProgram(name), spec.Programs[name].AttachTo})
	}
	return nil
}

// Missing lists what the watch cannot see on this kernel, one line each.
func (w *Watch) Missing() []string { return slices.Clone(w.missing) }

// Sees reports whether the watch saw every call of a kernel function: whether it is attached
// to the function, and no call was skipped. Run returns how many observations found no
// room.
func (w *Watch) Sees(function string) bool {
	return w.skipped(function) == 0 && !slices.ContainsFunc(w.missing, func(m string) bool { return strings.HasPrefix(m, function+":") })
}

// Skipped returns an upper bound of how many calls the watch did not see because the kernel
// skipped a program. A kernel that preempts its own code does so if it has interrupted the
// same program on that processor.
func (w *Watch) Skipped() uint64 { return w.skipped("") }

// skipped is that of one function, or of all.
func (w *Watch) skipped(function string) (n uint64) {
	for _, p := range w.programs {
		if s, err := p.prog.Stats(); err == nil && (function == "" || p.function == function) { // older kernels do not tell
			n += s.RecursionMisses
		}
	}
	return n
}

// Since returns the time from the beginning of the watch to a Mono; 0 if that is earlier.
func (w *Watch) Since(mono uint64) time.Duration {
	return max(0, time.Since(w.begin)-time.Duration(Monotonic()-mono))
}

// Run calls handle for each observation until ctx ends, which is not an error. handle may
// keep it. dropped is how many observations found no room in the ring.
func (w *Watch) Run(ctx context.Context, handle func(*event.Observation)) (dropped uint64, err error) {
	for over := false; !over; { // what was reported before ctx ended is read too
		over = ctx.Err() != nil
		w.ring.SetDeadline(time.Now().Add(pollInterval))
		if err := w.read(handle); !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
	}
	if err := w.coll.Variables["watch_lost"].Get(&dropped); err != nil {
		return 0, fmt.Errorf("read what was lost: %w", err)
	}
	return dropped, nil
}

// read calls handle for each observation until the deadline.
func (w *Watch) read(handle func(*event.Observation)) error {
	var rec ringbuf.Record
	for {
		if err := w.ring.ReadInto(&rec); err != nil {
			return fmt.Errorf("read the ring: %w", err)
		}
		s, err := wire.Observation(rec.RawSample)
		if err != nil {
			return err
		}
		handle(s)
	}
}

// Close detaches and frees the programs. It may be called more than once.
func (w *Watch) Close() {
	for _, l := range w.links {
		l.Close()
	}
	w.links = nil
	for _, p := range w.programs {
		p.prog.Close()
	}
	w.programs = nil
	if w.ring != nil {
		w.ring.Close()
	}
	if w.coll != nil {
		w.coll.Close()
	}
}
