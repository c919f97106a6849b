package metrics

import (
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestWeek: groups and connections open and close for a week, and memory does not grow.
func TestWeek(t *testing.T) {
	f := newFixture(t, Config{}, true)
	id := uint64(0)
	hour := func(n int) {
		for i := range 12 { // every five minutes
			var samples []event.Sample
			for c := range 20 {
				id++
				comm := fmt.Sprintf("job-%d", 24*n+c)
				f.write(opens(id, comm), closes(id, comm),
					&event.Error{Conn: event.Conn{ID: id}, Proc: proc(comm), Errno: uint32(i), Func: "x"})
				samples = append(samples, final(sample(id, comm, 3)))
			}
			f.at = f.at.Add(5 * time.Minute)
			f.round(samples...)
		}
	}
	hour(0)
	before := f.kept()
	for n := range 24 * 7 {
		hour(n)
	}
	if after := f.kept(); after != before {
		t.Errorf("kept after an hour: %+v, after a week: %+v", before, after)
	}
	f.expect(0, "groups_overflowed_total")
	f.at = f.at.Add(idleTime)
	f.round()
	if left := f.kept(); left.groups != 0 {
		t.Errorf("left: %+v", left)
	}
}

// kept is the state that a Collector keeps.
type kept struct{ groups, counts, conns, ended, wide, lost int }

func (f *fixture) kept() (k kept) {
	for range lingerRounds + 1 {
		f.round()
	}
	k = kept{groups: len(f.groups), conns: f.conns.byID.Len(), wide: len(f.wide), lost: len(f.lost)}
	for _, g := range f.groups {
		k.counts += len(g.counts)
	}
	for _, ids := range f.conns.ended {
		k.ended += len(ids)
	}
	return k
}

// TestGroupComesAgain: a group that was dropped begins at zero, with its new time of
// creation.
func TestGroupComesAgain(t *testing.T) {
	f := newFixture(t, Config{}, true)
	f.round(final(sample(1, "job", 5)))
	first := f.series("record_bytes_total", "direction", "tx").GetCounter().GetCreatedTimestamp().AsTime()
	f.at = f.at.Add(idleTime - 2*time.Second)
	f.round()
	f.expect(500, "record_bytes_total", "direction", "tx")
	f.at = f.at.Add(2 * time.Second)
	f.round()
	f.absent("record_bytes_total", "direction", "tx")
	f.round(sample(2, "job", 1))
	f.expect(100, "record_bytes_total", "direction", "tx")
	again := f.series("record_bytes_total", "direction", "tx").GetCounter().GetCreatedTimestamp().AsTime()
	if !again.After(first.Add(idleTime)) {
		t.Errorf("created at %v, and before at %v", again, first)
	}
	f.at = f.at.Add(2 * idleTime) // with a connection it stays, however idle
	f.round(sample(2, "job", 1))
	f.expect(100, "record_bytes_total", "direction", "tx")
}

// many is a Collector with the given numbers of connections and groups.
func many(t testing.TB, connections, groups int) (*fixture, []event.Sample) {
	f := newFixture(t, Config{MaxGroups: groups, GroupBy: []string{"comm", "unit"}}, true)
	samples := make([]event.Sample, connections)
	for i := range samples {
		samples[i] = sample(uint64(i+1), fmt.Sprint("comm-", i%groups), 10)
		samples[i].Proc.Place = &event.Place{Unit: "proxy.service"}
		f.write(opens(uint64(i+1), fmt.Sprint("comm-", i%groups)))
	}
	for i := range samples {
		f.Sample(&samples[i])
	}
	f.Round()
	return f, samples
}

// TestEventsDuringScrape: a stalled scrape delays no event and no round, and shows the state
// at its start.
func TestEventsDuringScrape(t *testing.T) {
	f := newFixture(t, Config{}, true)
	failure := &event.Error{Conn: event.Conn{ID: 1}, Proc: proc("nginx"), Errno: 5, Func: "x"}
	f.write(opens(1, "nginx"), failure)
	f.round(sample(1, "nginx", 1))
	to := make(chan prometheus.Metric)
	go func() {
		defer close(to)
		f.Collect(to)
	}()
	<-to
	f.write(failure, closes(1, "nginx"))
	f.round(final(sample(1, "nginx", 2)))
	shown := map[string]float64{}
	for m := range to {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		switch m.Desc() {
		case f.families.errors:
			shown["errors"] += d.GetCounter().GetValue()
		case f.families.connections:
			shown["open"] += d.GetGauge().GetValue()
		case f.families.bytes:
			shown["bytes"] += d.GetCounter().GetValue()
		}
	}
	if want := map[string]float64{"errors": 1, "open": 2, "bytes": 100}; !maps.Equal(shown, want) {
		t.Errorf("shown %v, want %v", shown, want)
	}
}

// scrape scrapes everything once, and returns the time it took.
func (f *fixture) scrape(t testing.TB) (took time.Duration, bytes int64) {
	w := httptest.NewRecorder()
	begin := time.Now()
	promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	took = time.Since(begin)
	bytes, err := io.Copy(io.Discard, w.Body)
	if err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	return took, bytes
}

// TestScrapeOfManyConnections: the cost of a scrape does not grow with the number of
// connections, each of which takes some hundred bytes.
func TestScrapeOfManyConnections(t *testing.T) {
	const groups = 20
	few, _ := many(t, groups, groups)
	_, small := few.scrape(t)
	cost := testing.AllocsPerRun(10, func() { few.scrape(t) })
	before := memory()
	lots, samples := many(t, 100_000, groups)
	perConn := (memory() - before - uint64(len(samples))*sampleBytes) / 100_000
	if _, big := lots.scrape(t); big > small+small/20 {
		t.Errorf("%d bytes with %d connections, %d with 100,000", small, groups, big)
	}
	if more := testing.AllocsPerRun(10, func() { lots.scrape(t) }); more > 1.05*cost {
		t.Errorf("%v allocations with %d connections, %v with 100,000", cost, groups, more)
	}
	var times []time.Duration
	for range 100 {
		took, _ := lots.scrape(t)
		times = append(times, took)
	}
	slices.Sort(times)
	t.Logf("a scrape takes %v (median), %v (p99); a connection keeps %d bytes", times[50], times[98], perConn)
	if !raced && times[50] > 100*time.Millisecond { // a busy machine may delay any one of them
		t.Errorf("half of the scrapes took more than %v", times[50])
	}
	if !raced && perConn > 512 {
		t.Errorf("a connection keeps %d bytes", perConn)
	}
	runtime.KeepAlive(samples)
}
