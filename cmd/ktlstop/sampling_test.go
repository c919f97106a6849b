package main

import (
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/loader"
)

// TestSamplingFlags: what the flags make of the loader's configuration, and what
// they refuse.
func TestSamplingFlags(t *testing.T) {
	for _, c := range []struct {
		args   string
		sample *loader.Sampling
		maxCPU float64
		wrong  string
	}{
		{"", nil, 0, ""},
		{"--sample 1", nil, 0, ""},
		{"--sample 10", &loader.Sampling{Every: 10}, 0, ""},
		{"--sample auto", &loader.Sampling{Every: 1, Auto: true}, 0, ""},
		{"--max-cpu 2.5", &loader.Sampling{Every: 1}, 2.5, ""},
		{"--max-cpu 2.5 --sample 7", &loader.Sampling{Every: 7}, 2.5, ""},
		{"--max-cpu 2.5 -o pcapng", nil, 2.5, ""},
		{"--sample 10 -o pcapng", nil, 0, "packets need every record"},
		{"--sample 0", nil, 0, "--sample 0: auto, or one record in how many"},
		{"--sample -1", nil, 0, "--sample -1: auto"},
		{"--sample 1000001", nil, 0, "1 to 1000000"},
		{"--sample ten", nil, 0, "--sample ten: auto"},
		{"--sample=", nil, 0, "--sample : auto"},
		{"--max-cpu 0", nil, 0, "--max-cpu 0: percent"},
		{"--max-cpu -3", nil, 0, "--max-cpu -3: percent"},
		{"--max-cpu NaN", nil, 0, "--max-cpu NaN: percent"},
		{"--max-cpu +Inf", nil, 0, "to 100000"},
	} {
		var o options
		cmd := newTrace()
		if err := cmd.ParseFlags(strings.Fields(c.args)); err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		o.sample, o.output = cmd.Flags().Lookup("sample").Value.String(), cmd.Flags().Lookup("output").Value.String()
		o.maxCPU, _ = cmd.Flags().GetFloat64("max-cpu") // ParseFlags has read it
		cfg, err := o.config(cmd)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%q: %v, want %q", c.args, err, c.wrong)
			}
			continue
		}
		if err != nil || cfg.MaxCPU != c.maxCPU || (cfg.Sample == nil) != (c.sample == nil) || c.sample != nil && *cfg.Sample != *c.sample {
			t.Errorf("%q: %v, %+v, %v percent", c.args, err, cfg.Sample, cfg.MaxCPU)
		}
	}
}
