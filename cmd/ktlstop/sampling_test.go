package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
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

// collect keeps the sockets and the summary that a pipeline writes.
type collect struct{ closes []event.Socket }

func (c *collect) Write(ev event.Event) error {
	if s, ok := ev.(*event.Socket); ok && s.State == event.SocketClose {
		c.closes = append(c.closes, *s)
	}
	return nil
}

func (c *collect) Flush() error { return nil }

// TestPipelineCountsSampled: what records stand for and what the close says
// besides come to the close and to the totals.
func TestPipelineCountsSampled(t *testing.T) {
	out := &collect{}
	p := newPipeline(out, 0, newChoice(nil))
	conn := event.Conn{ID: 7}
	see := func(ev event.Event) {
		t.Helper()
		if err := p.handle(ev); err != nil {
			t.Fatal(err)
		}
	}
	see(&event.Socket{State: event.SocketOpen, Conn: conn, Skipped: [2]uint64{9, 9}}) // not final: it says nothing
	for i := range uint64(3) {
		see(&event.Record{Conn: conn, Seq: i*10 + 9, Hidden: i*9 + 9, Skipped: 9, HasStart: true})
	}
	see(&event.Socket{State: event.SocketClose, Conn: conn, NextTX: 34, Hidden: [2]uint64{31}, Skipped: [2]uint64{4}})
	if len(out.closes) != 1 || out.closes[0].Totals.Sampled != [2]uint64{31} || out.closes[0].Skipped != [2]uint64{4} {
		t.Errorf("closes are %+v", out.closes)
	}
	if p.totals.Records[0] != 3 || p.totals.Sampled != [2]uint64{31} || p.skipped != [2]uint64{4} || p.gaps != 0 || len(p.sampled) != 0 {
		t.Errorf("%+v, %v without a weight, %d gaps, %d connections", p.totals, p.skipped, p.gaps, len(p.sampled))
	}
}

// A person is told why records are left out, and of both reasons where either
// may be the one.
func TestThinningSaysWhy(t *testing.T) {
	ring, both := (&options{}).newThinning().why, (&options{maxCPU: 1}).newThinning().why
	if !strings.Contains(ring, "half full") || strings.Contains(ring, "--max-cpu") {
		t.Errorf("without --max-cpu: %q", ring)
	}
	if !strings.Contains(both, "half full") || !strings.Contains(both, "--max-cpu") {
		t.Errorf("with --max-cpu: %q", both)
	}
}

func TestThinning(t *testing.T) {
	var said []string
	th := &thinning{tell: func(s string) { said = append(said, s) }}
	now := time.Unix(100, 0)
	th.left(0, now)
	th.look(now)
	if len(said) != 0 {
		t.Fatalf("nothing was left out, and it says %q", said)
	}
	for i := range 5 {
		th.left(3, now.Add(time.Duration(i)*thinAfter/2))
		th.look(now.Add(time.Duration(i) * thinAfter / 2))
	}
	if len(said) != 1 {
		t.Fatalf("it says %q", said)
	}
	th.look(now.Add(3 * thinAfter))
	th.look(now.Add(9 * thinAfter))
	if len(said) != 2 || !strings.Contains(said[1], "15 were left out") {
		t.Errorf("it says %q", said)
	}
	th.left(1, now.Add(10*thinAfter))
	if len(said) != 3 {
		t.Errorf("it says nothing of a second time: %q", said)
	}
	var none *thinning
	none.left(1, now)
	none.look(now)
}
