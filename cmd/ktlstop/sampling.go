package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// stoppedByCost is event.Summary.Stopped where --max-cpu ended the run.
const stoppedByCost = "max_cpu"

const autoSample = "auto"

func (o *options) sampleFlag(f *pflag.FlagSet) {
	f.StringVar(&o.sample, "sample", "", "tell one in N records of application data, and all others and slow ones; auto: only while the event ring is more than half full")
}

func (o *options) maxCPUFlag(f *pflag.FlagSet) {
	f.Float64Var(&o.maxCPU, "max-cpu", 0, "percent of one processor that the BPF programs may take; above it trace samples, and at last the hooks are detached (exit status 3)")
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
func notice(text string) { fmt.Fprintln(os.Stderr, "ktlstop: "+sink.Sanitize(text)) }

// thinAfter is how long no record must stand for others until sampling is over.
const thinAfter = time.Second

// thinning tells when --sample auto begins to leave records out, and when it ends.
type thinning struct {
	tell func(string)
	why  string
	last time.Time // when a record came last that stands for others; zero if sampling is over
	out  uint64    // left out since it began
}

// newThinning tells people. --max-cpu leaves records out as well, and no event
// says for which of the two reasons.
func (o *options) newThinning() *thinning {
	why := "the event ring is more than half full"
	if o.maxCPU > 0 {
		why += ", or the programs take more than --max-cpu allows"
	}
	return &thinning{tell: notice, why: why}
}

// left is told of n records that were left out.
func (t *thinning) left(n uint64, now time.Time) {
	if t == nil || n == 0 {
		return
	}
	if t.last.IsZero() {
		t.tell(t.why + ": of ordinary records only some are told from here on")
	}
	t.last = now
	t.out += n
}

// look ends what is over.
func (t *thinning) look(now time.Time) {
	if t == nil || t.last.IsZero() || now.Sub(t.last) < thinAfter {
		return
	}
	t.tell(fmt.Sprintf("every ordinary record is told again; %d were left out", t.out))
	t.last, t.out = time.Time{}, 0
}

// leftOut counts what sampling left out of a connection, and its next record or
// its end tells.
func (p *pipeline) leftOut(conn uint64, d event.Dir, n uint64) {
	if n == 0 {
		return
	}
	p.thin.left(n, time.Now())
	p.totals.Sampled[d&1] += n
	c := p.sampled[conn]
	if c == nil {
		c = new([2]uint64)
		p.sampled[conn] = c
	}
	c[d&1] += n
}

// sampledOf is what sampling has left out of a connection by now. What no record
// stands for is final at the end only.
func (p *pipeline) sampledOf(s *event.Socket) (sampled [2]uint64) {
	if s.State == event.SocketClose {
		for d, n := range s.Skipped {
			p.leftOut(s.Conn.ID, event.Dir(d), n)
			p.skipped[d] += n
		}
	} else {
		s.Skipped = [2]uint64{}
	}
	if c := p.sampled[s.Conn.ID]; c != nil {
		sampled = *c
	}
	if s.State == event.SocketClose {
		delete(p.sampled, s.Conn.ID)
	}
	return sampled
}
