//go:build linux && (amd64 || arm64)

package loader

import (
	"context"
	"errors"
	"slices"

	"github.com/cilium/ebpf"
)

// watchGroup is the programs of a Watch, dtlsGroup those for the module af_ktls, of which
// nothing is said where that is not loaded.
const (
	watchGroup = "watch"
	dtlsGroup  = "DTLS of " + dtlsModule
)

// Self tests which groups of programs this kernel loads. It attaches only one program of a
// Tracer and those of a Watch, for a moment, and frees all of them before it returns.
// missing lists what the kernel lacks, one line each. The error is an *UnsupportedError if
// nothing can be traced, or ErrStopped if ctx ended first.
func Self(ctx context.Context) (groups []GroupState, missing []string, err error) {
	if err := Preflight(); err != nil {
		return nil, nil, err
	}
	if err := checkTypes(); err != nil {
		if haveGobpf {
			return nil, []string{"type information: programs are attached by kprobes (the gobpf backend), and a Watch sees nothing"}, nil
		}
		return nil, nil, err
	}
	kernel, err := loadTypes()
	if err != nil {
		return nil, nil, err
	}
	l, err := load(ctx, &Config{Aggregate: true}, kernel) // with which all groups have programs
	if err != nil {
		return nil, nil, err
	}
	defer l.coll.Close()
	if err := l.tryAttach(); err != nil {
		return nil, nil, err
	}
	watch, unwatched := selfWatch(ctx)
	groups = append(l.states(), watch)
	if dtlsThere() {
		groups = append(groups, selfDatagrams(kernel))
	}
	return groups, append(slices.Clone(l.missing), unwatched...), nil
}

// tryAttach attaches the first required program for a moment. Its error is an
// *UnsupportedError.
func (l *loaded) tryAttach() error {
	for _, h := range l.hooks {
		if !h.required || l.coll.Programs[h.program] == nil {
			continue
		}
		links, err := attach(l.coll.Programs, h)
		for _, one := range links {
			one.Close()
		}
		if unsupported := (*UnsupportedError)(nil); errors.As(err, &unsupported) {
			return err
		}
		return nil
	}
	return nil
}

func (l *loaded) states() (all []GroupState) {
	for _, g := range groups {
		if g.name == groupCardsWhole { // of runs without stages, which this is none of
			continue
		}
		s := GroupState{Name: g.name, Without: g.without, Loads: true}
		for name := range l.spec.Programs {
			if groupOf(name) == g.name {
				s.Programs++
			}
		}
		for _, r := range l.refused {
			if r.name == g.name {
				s.Loads, s.Why = false, reason(r.err)
			}
		}
		all = append(all, s)
	}
	return all
}

func selfWatch(ctx context.Context) (GroupState, []string) {
	s := GroupState{Name: watchGroup, Without: "neither handshakes nor the kernel's answers are seen by doctor"}
	w, err := OpenWatch(ctx)
	if err != nil {
		s.Why = err.Error()
		return s, nil
	}
	defer w.Close()
	s.Programs, s.Loads = len(w.links), true
	return s, w.Missing()
}

func selfDatagrams(kernel *types) GroupState {
	s := GroupState{Name: dtlsGroup, Without: "records of DTLS are not reported"}
	p, err := prepareDTLS(&Config{}, kernel)
	if err != nil {
		s.Why = reason(err)
		return s
	}
	s.Programs = len(p.spec.Programs)
	coll, err := ebpf.NewCollectionWithOptions(p.spec, ebpf.CollectionOptions{Cache: kernel.cache})
	if err != nil {
		s.Why = reason(loadError(err))
		return s
	}
	coll.Close()
	s.Loads = true
	return s
}
