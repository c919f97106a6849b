package loader

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestGroupsStandAlone: a group that the kernel refuses is left out with one line,
// and what does not need it works.
func TestGroupsStandAlone(t *testing.T) {
	needGuest(t)
	guesttest.OnOneWithEachChange(t)
	const n = 20
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			cfg := Config{assumeCard: g.late, refuses: func(_ *Config, name string) bool { return name == g.name }}
			if g.name == groupHeld || g.name == groupCardsWhole { // of dashboards
				cfg.Aggregate, cfg.WithoutStages, cfg.Slow = true, g.name == groupCardsWhole, time.Hour
			}
			tr, got := exchanged(t, cfg, 1, n)
			lines := slices.DeleteFunc(tr.Missing(), func(l string) bool { return !strings.Contains(l, "the kernel refuses it") })
			if len(lines) != 1 || !strings.HasPrefix(lines[0], g.name+": "+g.without+" (the kernel refuses it: invalid func ") || strings.Contains(lines[0], "\n") {
				t.Errorf("missing %q", lines)
			}
			want := [2]uint64{n, n}
			switch g.name {
			case groupHeld, groupCardsWhole:
				want = [2]uint64{}
			case groupSend:
				want[event.TX] = 0
			case groupReceive:
				want[event.RX] = 0
			}
			if got.records != want {
				t.Errorf("%v records, want %v", got.records, want)
			}
			if len(got.lost) > 0 {
				t.Errorf("lost %v", got.lost)
			}
			ofCards := slices.ContainsFunc(tr.Hooks(), func(h HookState) bool { return h.Function == "tls_device_sendmsg" && h.Attached })
			if ofCards != (g.name == groupCardsWhole) {
				t.Errorf("a card was met: %v, and its hooks are attached: %v", g.late, ofCards)
			}
		})
	}
}

// TestSlowLoads: the programs that report slow records pass the verifier, with the
// stages and without.
func TestSlowLoads(t *testing.T) {
	needGuest(t)
	guesttest.OnEndsWithEachChange(t)
	for _, without := range []bool{false, true} {
		tr, err := Open(t.Context(), Config{Aggregate: true, WithoutStages: without, Slow: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if missing := tr.Missing(); len(missing) > 0 {
			t.Errorf("without stages %v: missing %q", without, missing)
		}
		tr.Close()
	}
}

// TestGroupsOfList: list needs the inventory alone.
func TestGroupsOfList(t *testing.T) {
	for _, g := range groups {
		needGuest(t)
		tr, err := Open(t.Context(), Config{ListOnly: true, refuses: func(_ *Config, name string) bool { return name == g.name }})
		if (err != nil) != (g.name == groupOpen) {
			t.Errorf("%s: %v", g.name, err)
		}
		if err == nil {
			tr.Close()
		}
	}
}

// TestNothingLeft: without records there is nothing to trace, which is an error.
func TestNothingLeft(t *testing.T) {
	needGuest(t)
	tr, err := Open(t.Context(), Config{refuses: func(_ *Config, name string) bool { return name == groupSend || name == groupReceive }})
	if tr != nil || err == nil || !strings.Contains(err.Error(), "load the BPF programs") {
		t.Errorf("%v, %v", tr, err)
	}
}

// TestFeaturesAreGivenUp: what makes the kernel refuse the programs is done
// without, or in user space.
func TestFeaturesAreGivenUp(t *testing.T) {
	needGuest(t)
	guesttest.OnOneWithEachChange(t)
	const n = 10
	expr, err := ParseMatch("dir == tx")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg    Config
		asks   func(*Config) bool
		line   string
		tx, rx uint64 // records
	}{
		"expression": {Config{Match: expr}, func(c *Config) bool { return c.Match != nil && !c.matchOutside }, "expression: ", n, 0},
		"plaintext":  {Config{Snaplen: 64}, func(c *Config) bool { return c.Snaplen > 0 }, "plaintext: ", n, n},
		"sums":       {Config{Aggregate: true}, func(c *Config) bool { return c.Aggregate }, "sums: ", n, n},
		"sampling":   {Config{Sample: &Sampling{Every: 5}}, func(c *Config) bool { return c.Sample != nil }, "sampling: ", n, n},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.refuses = func(cfg *Config, group string) bool {
				return c.asks(cfg) && (group == groupSend || group == groupReceive)
			}
			tr, got := exchanged(t, c.cfg, 1, n)
			lines := slices.DeleteFunc(tr.Missing(), func(l string) bool { return !strings.Contains(l, "the kernel refuses it") })
			if len(lines) != 1 || !strings.HasPrefix(lines[0], c.line) {
				t.Errorf("missing %q", lines)
			}
			if got.matched != [2]uint64{c.tx, c.rx} || got.payloads != [2]uint64{} || tr.Aggregates() || tr.Tier() != event.TierNone {
				t.Errorf("%+v, sums %v, tier %v", got, tr.Aggregates(), tr.Tier())
			}
		})
	}
}
