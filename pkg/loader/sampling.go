//go:build linux && (amd64 || arm64)

package loader

import (
	"errors"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/meter"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// govern prepares the governor of Config.MaxCPU.
func (t *Tracer) govern(cfg *Config) error {
	every := t.sampleEvery()
	if every == nil && cfg.Sample != nil && (cfg.Sample.Auto || cfg.Sample.Every > 1) {
		return &UnsupportedError{What: "the gobpf backend tells of each record",
			Hint: "leave Config.Sample out, or use a kernel with type information", Setting: "Sample"}
	}
	if every == nil {
		cfg.Sample = nil
	}
	if cfg.MaxCPU > 0 {
		t.governor = meter.NewGovernor(limits(cfg, every))
	}
	return nil
}

// limits returns the limits that the governor enforces for a Config.
func limits(cfg *Config, every interface{ Set(any) error }) meter.Limits {
	l := meter.Limits{CPU: cfg.MaxCPU, Set: func(n uint32) error { return every.Set(n) }, Notice: cfg.Notice}
	if cfg.Sample != nil {
		l.Least = cfg.Sample.Every
	}
	if l.Notice == nil {
		l.Notice = func(string) {}
	}
	return l
}

// setSampling sets the programs' constants of sampling.
func setSampling(spec *ebpf.CollectionSpec, cfg *Config) error {
	s := cfg.Sample
	if s == nil {
		return nil
	}
	return errors.Join(
		object.Set(spec, "sampling", uint32(1)),
		object.Set(spec, "sample_auto", uint32(object.BoolInt(s.Auto))),
		object.Set(spec, "sample_every", s.Every),
	)
}

// enforceLimit gives the governor the share of one window, in percent of a processor, and
// returns a *CostError if it is too much.
func (t *Tracer) enforceLimit(share float64) error {
	tooMuch, err := t.governor.Check(share)
	if err != nil {
		return err
	}
	if tooMuch {
		return &CostError{share, t.maxCPU}
	}
	t.meter.Approach(t.governor.NearLimit(share))
	return nil
}

// Cost returns the run time of the programs in the measurements that have ended. The
// kernel measures only on request: of Config.Cost, Config.MaxCPU or Measure. It counts
// skipped runs in any case.
func (t *Tracer) Cost() Cost {
	programs, over, records := t.meter.Cost()
	return Cost{programs, over, records}
}

// Measure turns the measurement of the cost on and off, for as long as somebody looks at
// it. Run makes the measurements, so that it takes effect a moment later.
func (t *Tracer) Measure(on bool) { t.meter.Watch(on) }
