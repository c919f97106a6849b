package main

import (
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/pkg/loader"
)

const autoSample = "auto"

func (o *options) sampleFlag(f *pflag.FlagSet) {
	f.StringVar(&o.sample, "sample", "", "report one in N records of application data, and all slow ones and all other types; auto: report all of them until the event ring is about half full, then one in 4, in 16 and so on to 4096")
}

func (o *options) maxCPUFlag(f *pflag.FlagSet) {
	f.Float64Var(&o.maxCPU, "max-cpu", 0, "how much of one processor all BPF programs together may take (100 is one processor); above it ktlstop trace samples, and where that does not help ktlstop detaches the hooks and exits with status 3")
}

// setSampling is what --sample and --max-cpu ask for.
func (o *options) setSampling(cmd *cobra.Command, cfg *loader.Config) error {
	cfg.MaxCPU, cfg.Notice = o.maxCPU, notice
	if cmd.Flags().Changed("max-cpu") && !(o.maxCPU > 0) {
		return usagef("--max-cpu %v: percent of one processor, more than 0", o.maxCPU)
	}
	every := cmd.Flags().Lookup("sample")
	if every == nil || o.capturing() { // packets and streams need every record
		if every != nil && every.Changed {
			return usagef("--sample: packets need every record; it is for text and json")
		}
		return nil
	}
	s := &loader.Sampling{Every: 1, Auto: o.sample == autoSample}
	if every.Changed && !s.Auto {
		n, err := strconv.ParseUint(o.sample, 10, 32)
		if err != nil || n < 1 || n > loader.MaxSample {
			return usagef("--sample %s: auto, or one record in how many, 1 to %d", o.sample, loader.MaxSample)
		}
		s.Every = uint32(n)
	}
	if s.Auto || s.Every > 1 || o.maxCPU > 0 {
		cfg.Sample = s
	}
	return nil
}

// notice tells a person what ktlstop does by itself.
func notice(text string) { console.say(text) }
