//go:build linux && (amd64 || arm64)

package loader

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// group is a set of programs that the kernel loads as a whole: it verifies each group by itself,
// and a run omits a group that the kernel rejects.
type group struct {
	name    string
	without string // what the user misses
	late    bool   // loaded when the first connection of a network card appears, see cards
}

// Names of groups; those of hooks are in hook.group.
const (
	groupSend    = "send"
	groupReceive = "receive"
	groupLife    = "life"
	groupErrors  = "errors"
	groupCalls   = "calls that fail"
	groupAsync   = "asynchronous crypto"
	groupReaders = "readers in the kernel"
	groupCookies = "cookies"
	groupOpen    = "inventory"
	groupKernels = "inventory of sockets without files"
	groupHeld    = "held bytes"
	groupCards   = "network cards"
	// groupCardsWhole comes first, since nothing else sees these records.
	groupCardsWhole = "network cards without stages"
)

var groups = []group{
	{groupSend, "records sent are not reported", false},
	{groupReceive, "records received are not reported", false},
	{groupLife, "opens, rekeys and closes of connections are not reported", false},
	{groupErrors, "errors other than undecipherable records are not reported", false},
	{groupCalls, "some calls that fail are not reported", false},
	{groupAsync, "with asynchronous crypto the stages encrypt and decrypt and payload received are unknown", false},
	{groupReaders, "records read by splice or by the kernel show late and without deliver", false},
	{groupCookies, "socket cookies of new connections are 0, and refusals of TLS are not reported", false},
	{groupOpen, "connections that are open already show at their first record", false},
	{groupKernels, "connections of the kernel itself (NVMe/TCP, NFS) that are open already show at their first record", false},
	{groupHeld, "what a connection holds back is shown only where it was found", false},
	{groupCardsWhole, "records that a network card seals are not reported", true},
	{groupCards, "what network cards seal and open is not reported, or late", true},
}

func isLate(name string) bool {
	return slices.ContainsFunc(groups, func(g group) bool { return g.name == name && g.late })
}

// groupOf returns the group of a program or of a copy of it.
func groupOf(program string) string {
	program = object.Original(program)
	switch program {
	case inventoryProgram:
		return groupOpen
	case connectedProgram:
		return groupKernels
	case heldProgram:
		return groupHeld
	case failuresProgram:
		return groupCalls
	}
	i := slices.IndexFunc(hooks, func(h hook) bool { return h.program == program })
	if i < 0 {
		return ""
	}
	return hooks[i].group
}

// refusal is a group that the kernel rejected, with the error.
type refusal struct {
	group
	err error
}

// line is a line of Tracer.Missing.
func (r refusal) line() string { return r.name + ": " + r.without + " (" + reason(r.err) + ")" }

// forProgrammers is advice of cilium/ebpf to its callers.
const forProgrammers = " (MEMLOCK may be too low, consider rlimit.RemoveMemlock)"

// reason returns the last line of the verifier's log, which names the instruction or the
// problem. The lines before it would fill a screen.
func reason(err error) string {
	var verifier *ebpf.VerifierError
	if !errors.As(err, &verifier) || len(verifier.Log) == 0 {
		return "the kernel refuses it: " + strings.ReplaceAll(err.Error(), forProgrammers, "")
	}
	for _, l := range slices.Backward(verifier.Log) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "processed ") && !strings.HasPrefix(l, "(") {
			return "the kernel refuses it: " + l
		}
	}
	return "the kernel refuses it: " + verifier.Cause.Error()
}

// loaded is a run's programs and maps in the kernel.
type loaded struct {
	*prepared
	coll    *ebpf.Collection
	refused []refusal
}

// loadBest loads what cfg asks for. Where the kernel refuses a group, what cfg can
// do without is given up, one by one, if that helps; cfg says what is left.
func loadBest(ctx context.Context, cfg *Config, kernel *types) (*loaded, error) {
	best, err := load(ctx, cfg, kernel)
	if err != nil {
		return nil, err
	}
	var without []string
	for _, f := range features {
		if len(best.refused) == 0 || !f.requested(cfg) {
			continue
		}
		less := *cfg
		f.off(&less)
		other, err := load(ctx, &less, kernel)
		if err != nil {
			best.coll.Close()
			return nil, err
		}
		if worst(other.refused) >= worst(best.refused) {
			other.coll.Close()
			continue
		}
		without = append(without, f.name+": "+f.without+" ("+reason(best.refused[0].err)+")")
		best.coll.Close()
		best, *cfg = other, less
	}
	best.missing = append(best.missing, without...)
	return best, best.dropRefused(cfg)
}

// dropRefused removes the groups that the kernel rejected. It fails if nothing can be traced
// without them.
func (l *loaded) dropRefused(cfg *Config) error {
	gone := map[string]bool{}
	for _, r := range l.refused {
		gone[r.name] = true
		l.missing = append(l.missing, r.line())
	}
	if gone[groupSend] && gone[groupReceive] || cfg.ListOnly && gone[groupOpen] {
		l.coll.Close()
		return loadError(l.refused[0].err)
	}
	l.hooks = slices.DeleteFunc(l.hooks, func(h hook) bool { return gone[h.group] })
	return nil
}

// load makes the maps and has the kernel verify one group after the other.
func load(ctx context.Context, cfg *Config, kernel *types) (*loaded, error) {
	p, err := prepare(cfg, kernel)
	if err != nil {
		return nil, err
	}
	bare := *p.spec
	bare.Programs = map[string]*ebpf.ProgramSpec{}
	coll, err := ebpf.NewCollectionWithOptions(&bare, ebpf.CollectionOptions{Cache: kernel.cache})
	if err != nil {
		return nil, loadError(err)
	}
	l := &loaded{prepared: p, coll: coll}
	for _, g := range groups {
		if g.late {
			continue
		}
		err := stopped(ctx)
		if err == nil {
			err = l.add(g.name, kernel)
		}
		if errors.Is(err, ErrStopped) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOMEM) {
			coll.Close()
			return nil, loadError(err)
		}
		if err != nil {
			l.refused = append(l.refused, refusal{g, err})
		}
	}
	return l, nil
}

// add loads a group and keeps its programs.
func (l *loaded) add(group string, kernel *types) error {
	programs, err := l.loadGroup(group, kernel, l.coll.Maps)
	maps.Copy(l.coll.Programs, programs)
	return err
}

// loadGroup has the kernel verify the programs of a group, which share maps with others.
func (p *prepared) loadGroup(name string, kernel *types, shared map[string]*ebpf.Map) (map[string]*ebpf.Program, error) {
	part := *p.spec
	part.Programs = maps.Clone(p.spec.Programs)
	maps.DeleteFunc(part.Programs, func(program string, _ *ebpf.ProgramSpec) bool { return groupOf(program) != name })
	if len(part.Programs) == 0 {
		return nil, nil
	}
	coll, err := ebpf.NewCollectionWithOptions(&part, ebpf.CollectionOptions{Cache: kernel.cache, MapReplacements: shared})
	if err != nil {
		return nil, err
	}
	defer coll.Close() // the maps are copies
	programs := map[string]*ebpf.Program{}
	for program := range part.Programs {
		programs[program] = coll.DetachProgram(program)
	}
	return programs, nil
}

// feature is what a Config asks the programs for and can do without.
type feature struct {
	name      string
	requested func(*Config) bool
	off       func(*Config)
	without   string
}

var features = []feature{
	{"expression", func(c *Config) bool { return c.Match != nil && !c.readsPayload() && !c.matchOutside },
		func(c *Config) { c.matchOutside = true }, "it is evaluated in user space"},
	{"plaintext", func(c *Config) bool { return c.Snaplen > 0 }, func(c *Config) { c.Snaplen = 0 }, "no payload"},
	{"sums", func(c *Config) bool { return c.Aggregate }, func(c *Config) { c.Aggregate, c.WithoutStages, c.Slow = false, false, 0 }, "each record comes as an event"},
	{"sampling", func(c *Config) bool { return c.Sample != nil }, func(c *Config) { c.Sample = nil }, "no record is left out"},
}

// worst is how much a run misses for want of groups: those of records first. What is only
// there with sums is no reason to give them up.
func worst(refused []refusal) (n int) {
	for _, r := range refused {
		if r.name != groupHeld {
			n++
		}
		if r.name == groupSend || r.name == groupReceive {
			n += len(groups)
		}
	}
	return n
}

// poison makes a program one that no kernel takes.
func poison(p *ebpf.ProgramSpec) {
	p.Instructions = asm.Instructions{asm.BuiltinFunc(0xbad).Call(), asm.Return()}
}
