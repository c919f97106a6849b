//go:build gobpf

package learn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/gobpf/module"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Indices of enum probe in bpf/gobpf/ktls_learn.bpf.c.
const (
	probeSetULP = iota
	probeVerdict
	probePush
	probeOpen
	probeReady
	probeAnnounce
	probeSendmsg
	probeSpliceRead
	probeSet
	probeClose
	probeFree
	probeRecvmsg
	probeRelease
	probeMax
)

// seen is struct seen of bpf/gobpf/ktls_learn.bpf.c: the last call of a kernel function
// by this process.
type seen struct {
	calls, task uint64
	arg         [6]uint64
	stack       memory
	mem         [3]memory
	after       memory
	far         [8]memory
	near        [16]memory
}

const seenSize = 8*8 + 256 + 3*256 + 64 + 8*256 + 16*64

func parseSeen(b memory) *seen {
	take := func(n int) memory { m := b[:n]; b = b[n:]; return m }
	word := func() uint64 { return take(8).u64(0) }
	s := &seen{calls: word(), task: word()}
	for i := range s.arg {
		s.arg[i] = word()
	}
	s.stack = take(256)
	for i := range s.mem {
		s.mem[i] = take(256)
	}
	s.after = take(64)
	for i := range s.far {
		s.far[i] = take(256)
	}
	for i := range s.near {
		s.near[i] = take(64)
	}
	return s
}

// probeFunc is the function that the loader calls to read memory.
const probeFunc = "tcp_set_ulp"

// prober queries the programs of ktls_learn.bpf.c.
type prober struct {
	m      *module.Module
	marker *module.Marker
}

// newProber attaches all of the programs, or only the one that reads memory.
func newProber(k *Symbols, all bool) (*prober, error) {
	spec, err := object.LoadLearn()
	if err != nil {
		return nil, fmt.Errorf("read the BPF object: %w", err)
	}
	var sections []string
	for name, p := range spec.Programs {
		function := module.FunctionOf(p.SectionName)
		if !k.Functions[function] || !all && function != probeFunc {
			delete(spec.Programs, name)
			continue
		}
		sections = append(sections, p.SectionName)
	}
	if err := module.ClearEvents(sections); err != nil {
		return nil, err
	}
	p := &prober{}
	if p.marker, err = module.NewMarker(); err != nil {
		return nil, err
	}
	settings := map[string]uint64{"tgid": uint64(os.Getpid())}
	if p.m, err = module.Load(spec, module.NewOffsets(), settings, nil); err != nil {
		p.close()
		return nil, err
	}
	for _, s := range sections {
		if err := p.m.Attach(s); err != nil {
			p.close()
			return nil, fmt.Errorf("attach to %s: %w", module.FunctionOf(s), err)
		}
	}
	return p, nil
}

func (p *prober) close() {
	if p.m != nil {
		_ = p.m.Close() // the next start removes what this could not
	}
	p.marker.Close()
}

func number(i int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(i)) }

// last returns a function's last call since the last forget.
func (p *prober) last(probe int) (*seen, error) {
	b := make(memory, seenSize)
	if err := p.m.Lookup("captured", number(probe), b); err != nil {
		return nil, err
	}
	s := parseSeen(b)
	if s.calls == 0 {
		return nil, errors.New("the kernel did not call the function")
	}
	return s, nil
}

func (p *prober) forget(probes ...int) error {
	for _, i := range probes {
		if err := p.m.Update("captured", number(i), make([]byte, seenSize)); err != nil {
			return err
		}
	}
	return nil
}

// peek reads kernel memory, nil if the address is invalid.
func (p *prober) peek(addr uint64, n int) memory {
	ask := binary.NativeEndian.AppendUint64(nil, addr)
	ask = binary.NativeEndian.AppendUint64(ask, uint64(n))
	if p.m.Update("mem_request", number(0), ask) != nil {
		return nil
	}
	p.marker.Poke()
	answer := make(memory, 8+4096)
	if p.m.Lookup("mem_reply", number(0), answer) != nil || answer.u64(0) != 0 {
		return nil
	}
	return answer[8 : 8+n]
}
