package metrics

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// fixture is a Collector with a clock of its own, in a registry.
type fixture struct {
	*Collector
	t        testing.TB
	at       time.Time
	about    About
	registry *prometheus.Registry
}

func newFixture(t testing.TB, cfg Config, sums bool) *fixture {
	t.Helper()
	f := &fixture{t: t, at: time.Unix(1_800_000_000, 0), registry: prometheus.NewPedanticRegistry()}
	if cfg.GroupBy == nil {
		cfg.GroupBy = []string{"comm"}
	}
	if cfg.MaxGroups == 0 {
		cfg.MaxGroups = 200
	}
	cfg.Now = func() time.Time { return f.at }
	var err error
	if f.Collector, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	f.Begin(Run{Version: "1", Revision: "abc", GoVersion: "go1", Kernel: "7.3.4", Backend: "ebpf", BTF: true,
		Causes: []string{"ring_full"}, Sums: sums, About: func() About { return f.about }})
	if err := f.registry.Register(f.Collector); err != nil {
		t.Fatal(err)
	}
	return f
}

// round advances the clock by a second, and reads these samples.
func (f *fixture) round(samples ...event.Sample) {
	f.at = f.at.Add(time.Second)
	for i := range samples {
		s := samples[i]
		f.Sample(&s)
	}
	f.Round()
}

// write writes events.
func (f *fixture) write(events ...event.Event) {
	f.t.Helper()
	for _, ev := range events {
		if err := f.Write(ev); err != nil {
			f.t.Fatal(err)
		}
	}
}

// series finds the one series of a name with these labels among others, given as name and
// value in turn; nil if there is none.
func (f *fixture) series(name string, labels ...string) *dto.Metric {
	f.t.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	want := map[string]string{}
	for i := 0; i < len(labels); i += 2 {
		want[labels[i]] = labels[i+1]
	}
	var found *dto.Metric
	for _, family := range families {
		if family.GetName() != "ktlstop_"+name {
			continue
		}
		for _, m := range family.Metric {
			if !within(want, labelsOf(m)) {
				continue
			}
			if found != nil {
				f.t.Fatalf("several series %s%v", name, labels)
			}
			found = m
		}
	}
	return found
}

func within(want, got map[string]string) bool {
	maps.DeleteFunc(got, func(k, _ string) bool { _, asked := want[k]; return !asked })
	return maps.Equal(want, got)
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, l := range m.Label {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

// expect compares the value of a counter or a gauge.
func (f *fixture) expect(want float64, name string, labels ...string) {
	f.t.Helper()
	m := f.series(name, labels...)
	if m == nil {
		f.t.Errorf("there is no %s{%s}", name, strings.Join(labels, " "))
		return
	}
	if got := m.GetCounter().GetValue() + m.GetGauge().GetValue(); got != want {
		f.t.Errorf("%s{%s} is %v, want %v", name, strings.Join(labels, " "), got, want)
	}
}

// absent checks that there is no such series.
func (f *fixture) absent(name string, labels ...string) {
	f.t.Helper()
	if m := f.series(name, labels...); m != nil {
		f.t.Errorf("there is %s{%s}: %v", name, strings.Join(labels, " "), m)
	}
}

func proc(comm string) event.Process { return event.Process{PID: 7, Comm: event.MakeComm(comm)} }

// sample has the kernel's sums of a connection: records sent of 100 bytes, each of which
// took 5 µs.
func sample(id uint64, comm string, records uint64) event.Sample {
	s := event.Sample{Conn: event.Conn{ID: id}, Proc: proc(comm), TLS: [2]event.TLS{{Mode: event.ModeSW}, {Mode: event.ModeSW}}}
	s.Totals.Records[event.TX], s.Totals.Bytes[event.TX], s.Next[event.TX] = records, 100*records, records
	s.Lat[event.TX][total] = event.Log2Hist{Sum: 5000 * records, Max: 5000}
	s.Lat[event.TX][total].N[12] = uint32(records)
	return s
}

func final(s event.Sample) event.Sample {
	s.Final = true
	return s
}

// opens is a connection that gets its key for sending.
func opens(id uint64, comm string) *event.Socket {
	return &event.Socket{State: event.SocketOpen, Conn: event.Conn{ID: id}, Proc: proc(comm), Dir: event.TX,
		TX: event.TLS{Version: 0x0304, Cipher: 52, Mode: event.ModeSW}}
}

func closes(id uint64, comm string) *event.Socket {
	return &event.Socket{State: event.SocketClose, Conn: event.Conn{ID: id}, Proc: proc(comm)}
}
