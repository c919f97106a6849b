//go:build linux && (amd64 || arm64)

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/assemble"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// dtlsModule is the module whose records bpf/ktls_dtls.bpf.c watches.
const dtlsModule = "af_ktls"

// dtlsInventory is the iterator that finds its sockets.
const dtlsInventory = "dtls_inventory"

// dtlsHooks are the programs of bpf/ktls_dtls.bpf.c; kmod/af_ktls/hooks.h promises the
// functions.
var dtlsHooks = []hook{
	{program: "dtls_tx_record_enter", function: "afktls_tx_record", without: "plaintext of DTLS that is sent, and how long it took, are not seen"},
	{program: "dtls_tx_record_exit", function: "afktls_tx_record", without: "the stage encrypt of DTLS is unknown"},
	{program: "dtls_tx_push_exit", function: "afktls_tx_push", without: "DTLS records that are sent are not seen"},
	{program: "dtls_rx_record_enter", function: "afktls_rx_record", without: "the stages wait and decrypt of DTLS are unknown"},
	{program: "dtls_rx_record_exit", function: "afktls_rx_record", without: "the stages decrypt and deliver of DTLS are unknown"},
	{program: "dtls_deliver_enter", function: "afktls_deliver", without: "DTLS records that are received are not seen"},
	{program: "dtls_drop_enter", function: "afktls_drop", without: "DTLS records that are dropped are not seen"},
	{program: "dtls_attach_enter", function: "afktls_attach", without: "a DTLS connection whose end was not seen may be taken for the next one"},
	{program: "dtls_key_enter", function: "afktls_key", without: "new DTLS connections are seen with their first record, and their rekeys are not"},
	{program: "dtls_detach_enter", function: "afktls_detach", without: "the ends of DTLS connections are not seen"},
}

// dtlsInterval is how often the tracer looks whether the module is loaded.
const dtlsInterval = time.Second

// datagrams is the part of a Tracer that traces DTLS. The module may be loaded at any time:
// the tracer looks for it, and then loads and attaches the programs, which are not in the
// kernel before. Each DTLS record is an event, even if the kernel adds TLS records up.
type datagrams struct {
	ebpfBackend
	cfg       *Config
	asm       *assemble.Assembler
	lost      lostCounter
	checkedAt time.Time
	late      bool              // the module was not there when the run began
	ended     bool              // no hook is attached any more
	hidden    map[uint64]uint64 // records in progress at the end that the filters hide, by connection

	mu      sync.Mutex // of what other goroutines ask for
	open    bool
	states  []HookState
	missing []string
}

func newDatagrams(cfg *Config) *datagrams {
	return &datagrams{cfg: cfg}
}

// Where the kernel shows whether the module is loaded, and its type information.
const (
	dtlsState = "/sys/module/" + dtlsModule + "/initstate"
	dtlsTypes = "/sys/kernel/btf/" + dtlsModule
)

// dtlsThere reports whether the module is loaded. Its type information appears earlier.
func dtlsThere() bool {
	state, err := os.ReadFile(dtlsState)
	return err == nil && string(state) == "live\n"
}

// attachIfLoaded attaches the programs if the module is loaded. If the kernel rejects them,
// it reports that, does not try again, and the run goes on without DTLS. added gets the
// programs.
func (d *datagrams) attachIfLoaded(ctx context.Context, now time.Time, added func(map[string]*ebpf.Program)) error {
	if d.open || d.ended || len(d.missing) > 0 || now.Sub(d.checkedAt) < dtlsInterval {
		return nil
	}
	d.checkedAt = now
	if !dtlsThere() {
		d.late = true
		return nil
	}
	if _, err := os.Stat(dtlsTypes); err != nil {
		d.addMissing("type information (BTF) of the module " + dtlsModule + ": DTLS is not seen")
		return nil
	}
	if err := d.start(ctx); err != nil {
		d.ebpfBackend.close()
		d.ebpfBackend = ebpfBackend{}
		if errors.Is(err, ErrStopped) {
			return err
		}
		d.addMissing("DTLS of " + dtlsModule + " (" + reason(err) + ")")
		return nil
	}
	d.mu.Lock()
	d.open, d.states = true, d.hooks
	d.missing = append(d.missing, d.ebpfBackend.missing...)
	d.mu.Unlock()
	added(d.coll.Programs)
	if err := d.inventoryOf(dtlsInventory); err != nil {
		d.addMissing("DTLS connections that are open show with their first record (" + reason(err) + ")")
	}
	if d.late && d.cfg.Notice != nil {
		d.cfg.Notice("the module " + dtlsModule + " was loaded: its records of DTLS are traced from now on")
	}
	return nil
}

// addMissing records what is missing, and reports it if the module was loaded during the run:
// the caller has read the list already then.
func (d *datagrams) addMissing(line string) {
	d.mu.Lock()
	d.missing = append(d.missing, line)
	d.mu.Unlock()
	if d.late && d.cfg.Notice != nil {
		d.cfg.Notice("this kernel lacks " + line)
	}
}

// start loads and attaches, and lets the programs see records.
func (d *datagrams) start(ctx context.Context) error {
	kernel, err := loadTypes() // anew: the module was not there before
	if err != nil {
		return err
	}
	p, err := prepareDTLS(d.cfg, kernel)
	if err != nil {
		return err
	}
	if d.coll, err = ebpf.NewCollectionWithOptions(p.spec, ebpf.CollectionOptions{Cache: kernel.cache}); err != nil {
		return loadError(err)
	}
	if err := d.openRings(p); err != nil {
		return err
	}
	if err := fillFilter(d.coll, &d.cfg.Filter); err != nil {
		return err
	}
	d.asm = assemble.New(d.fetch, assemble.Options{Match: d.cfg.Match, Names: d.cfg.Names})
	if err := d.attach(ctx, p.hooks); err != nil {
		return err
	}
	return d.setLive(true)
}

func prepareDTLS(cfg *Config, kernel *types) (*prepared, error) {
	spec, err := object.LoadDtls()
	if err != nil {
		return nil, fmt.Errorf("read the BPF object: %w", err)
	}
	p := &prepared{spec: spec, hooks: dtlsHooks}
	if cfg.ListOnly {
		p.hooks = nil
		spec.Programs = map[string]*ebpf.ProgramSpec{dtlsInventory: spec.Programs[dtlsInventory]}
	}
	values, err := commonOptions(cfg)
	if err != nil {
		return nil, err
	}
	values["have_cast"] = uint64(object.BoolInt(kernel.function("bpf_rdonly_cast", true) != nil))
	values["snaplen"] = uint64(dtlsSnaplen(cfg))
	for name, v := range values {
		if err := setConstant(spec, name, v); err != nil {
			return nil, err
		}
	}
	if p.ring, err = divide(spec, cfg); err != nil {
		return nil, err
	}
	spec.Maps["payloads"].MaxEntries = cfg.payloadRing()
	if dtlsSnaplen(cfg) > 0 {
		spec.Maps["payloads"].MaxEntries = max(cfg.payloadRing(), 1<<20)
	}
	object.Fold(spec)
	return p, nil
}

// dtlsSnaplen is how much plaintext leaves the kernel: the expression is evaluated in user
// space.
func dtlsSnaplen(cfg *Config) int {
	if cfg.readsPayload() {
		return max(cfg.Snaplen, match.Window)
	}
	return cfg.Snaplen
}

// poll reports the events since its last call.
func (d *datagrams) poll(handle func(event.Event) error) error {
	if !d.open {
		return nil
	}
	d.setDeadline(time.Now().Add(-time.Second))
	if err := readAll(context.Background(), time.Now().Add(pollInterval), d.read, d.adding(d.truncate(handle))); err != nil {
		return err
	}
	return d.reportLosses(handle)
}

func (d *datagrams) reportLosses(handle func(event.Event) error) error {
	if !d.open {
		return nil
	}
	return d.lost.report(func() (lossCounts, error) { return allLosses(&d.ebpfBackend, d.asm) }, handle)
}

func (d *datagrams) adding(handle func(event.Event) error) func(*wire.Event) error {
	return func(w *wire.Event) error { return d.asm.Add(w, handle) }
}

// truncate shortens the plaintext of records to the run's snaplen.
func (d *datagrams) truncate(handle func(event.Event) error) func(event.Event) error {
	return func(ev event.Event) error {
		if r, ok := ev.(*event.Record); ok && d.cfg.Snaplen == 0 {
			r.Payload = nil
		} else if ok && len(r.Payload) > d.cfg.Snaplen {
			r.Payload = r.Payload[:d.cfg.Snaplen]
		}
		return handle(ev)
	}
}

// stop detaches the programs. What they have reported can still be read.
func (d *datagrams) stop() error {
	d.ended = true
	if !d.open {
		return nil
	}
	err := d.setLive(false)
	d.detach()
	return err
}

// finish reports the remaining events after the programs are detached.
func (d *datagrams) finish(handle func(event.Event) error) error {
	if !d.open {
		return nil
	}
	d.setDeadline(time.Now().Add(-time.Second))
	handle = d.truncate(handle)
	if err := readAll(context.Background(), endOfTime, d.read, d.adding(handle)); err != nil {
		return err
	}
	if err := d.reportUnfinished(handle); err != nil {
		return err
	}
	if err := d.reportDrops(handle); err != nil {
		return err
	}
	if err := d.asm.Flush(handle); err != nil {
		return err
	}
	return d.reportLosses(handle)
}

// reportUnfinished reports the records that the kernel was processing when the hooks were
// detached; whether UDP has them is not known. It counts those that the filters suppress,
// by connection.
func (d *datagrams) reportUnfinished(handle func(event.Event) error) error {
	d.hidden = map[uint64]uint64{}
	return d.each("dtls_sending", func(value []byte) error {
		return wire.VisitEvent(value, func(w *wire.Event) error {
			if w.Flags&wire.FlagHidden != 0 {
				d.hidden[w.Conn]++
				return nil
			}
			w.Flags |= wire.FlagPushed
			return d.asm.Add(w, handle)
		})
	})
}

// reportDrops reports the records that were dropped since the last report.
func (d *datagrams) reportDrops(handle func(event.Event) error) error {
	if dir := d.cfg.Filter.Dir; dir != nil && *dir == event.TX {
		return nil
	}
	return d.eachConn(func(c *wire.Datagrams) error {
		for _, drop := range c.UnreportedDrops(Monotonic()) {
			if err := handle(drop); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *datagrams) eachConn(visit func(*wire.Datagrams) error) error {
	return d.each("dtls_conns", func(value []byte) error {
		c, err := wire.ReadDatagrams(value)
		if err != nil || c == nil {
			return err
		}
		return visit(c)
	})
}

// connections returns the connections that are open now.
func (d *datagrams) connections() (all []*event.Socket, err error) {
	if !d.open {
		return nil, nil
	}
	err = d.eachConn(func(c *wire.Datagrams) error {
		s := c.Socket(Monotonic())
		s.Hidden[event.TX] += d.hidden[s.Conn.ID]
		all = append(all, s)
		return nil
	})
	return all, err
}

// about returns the hooks, and what is missing. Any goroutine may call it.
func (d *datagrams) about() ([]HookState, []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.states, d.missing
}

// usage returns how full the rings are. Any goroutine may call it.
func (d *datagrams) usage(payload bool) []BufferUsage {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open || d.events == nil {
		return nil
	}
	fills := d.rings(payload)
	for i := range fills {
		fills[i].Name = "dtls " + fills[i].Name
	}
	return fills
}

func (d *datagrams) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ebpfBackend.close()
}
