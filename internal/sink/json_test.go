package sink

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ktlstop/ktlstop/internal/sink/schematest"
	"github.com/ktlstop/ktlstop/pkg/event"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update to accept):\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

func encode(t *testing.T, events ...event.Event) []byte {
	t.Helper()
	return encodeAt(t, offset, events)
}

// encodeAt is encode with another clock.
func encodeAt(t *testing.T, offset int64, events []event.Event) []byte {
	t.Helper()
	return written(t, func(q *Queue) Sink { return NewJSON(q, FixedClock(offset), event.TierSnap) }, events)
}

func TestJSONGolden(t *testing.T) {
	out := encode(t, samples()...)
	golden(t, "events.jsonl", out)
	schematest.ValidateAll(t, out)
}

// TestJSONLine compares with a line written by hand.
func TestJSONLine(t *testing.T) {
	r := sampleRecord()
	r.Payload = []byte("hi")
	want := `{"v":1,"type":"record","ts":"2026-11-22T18:10:00.123456789Z","mono_ns":91234567890,` +
		`"dir":"tx","seq":12,"content_type":"application_data","content_type_id":23,"len":16384,"op":"sendfile",` +
		`"pid":4242,"tid":4242,"comm":"nginx","uid":33,"cgroup_id":7731,"container":"","unit":"nginx.service",` +
		`"sock":{"cookie":8193,"netns":4026531840,"family":"inet","laddr":"192.0.2.1","lport":443,"raddr":"192.0.2.9","rport":51234},` +
		`"tls":{"version":"1.3","cipher":"AES-GCM-256","mode":"sw","zerocopy":false},` +
		`"lat_ns":{"queue":310,"encrypt":5200,"push":900,"total":6410},"gen":0,"tier":"snap",` +
		`"payload":{"len":2,"data":"aGk="}}` + "\n"
	if got := string(encode(t, r)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJSONTime(t *testing.T) {
	for _, c := range []struct {
		mono   uint64
		offset int64
		want   string
	}{
		{0, 0, "1970-01-01T00:00:00.000000000Z"},
		{1, -2, "1969-12-31T23:59:59.999999999Z"},
		{999_999_999, 0, "1970-01-01T00:00:00.999999999Z"},
		{math.MaxUint64, 0, "1969-12-31T23:59:59.999999999Z"},
		{math.MaxInt64, 0, "2262-04-11T23:47:16.854775807Z"},
	} {
		s := stamp{clock: FixedClock(c.offset), layout: "2006-01-02T15:04:05"}
		if got := string(s.append(nil, c.mono, 9, time.UTC)) + "Z"; got != c.want {
			t.Errorf("mono %d offset %d: %s, want %s", c.mono, c.offset, got, c.want)
		}
	}
}

func FuzzJSONString(f *testing.F) {
	for _, s := range []string{"nginx", "\x00\x1f\"\\\n\x7f", "\xff\xc3", "\u2028\u202e\u009b", "日本", "\uFFFD"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := appendQuoted(nil, s)
		var back string
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q becomes %s: %v", s, out, err)
		}
		if want := strings.ToValidUTF8(fixEach(s), "\uFFFD"); back != want {
			t.Errorf("%q comes back as %q, want %q", s, back, want)
		}
		if i := bytes.IndexFunc(out, func(r rune) bool { return r < ' ' || r == 0x7f || r != utf8.RuneError && r >= 0x80 && acts(r) }); i >= 0 {
			t.Errorf("%q leaves %q", s, out[i:])
		}
	})
}

// fixEach makes one U+FFFD of each bad byte, as encoding/json does.
func fixEach(s string) string { return string([]rune(s)) }

func FuzzJSONEvents(f *testing.F) {
	f.Add([]byte("seed"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g := generator{raw: raw}
		for _, ev := range g.events() {
			schematest.Validate(t, encode(t, ev))
		}
	})
}

// TestJSONRandom validates random events of every kind.
func TestJSONRandom(t *testing.T) {
	for seed := range 400 {
		g := newGenerator(uint64(seed))
		for _, ev := range g.events() {
			schematest.Validate(t, encode(t, ev))
		}
	}
}

func TestJSONIgnoresUnknown(t *testing.T) {
	if out := encode(t, nil); len(out) != 0 {
		t.Errorf("nothing becomes %q", out)
	}
}

func TestJSONDoesNotAllocate(t *testing.T) {
	j := NewJSON(discard(t), FixedClock(offset), event.TierSnap)
	for _, ev := range samples() {
		if _, summary := ev.(*event.Summary); summary {
			continue
		}
		if n := testing.AllocsPerRun(100, func() { _ = j.Write(ev) }); n != 0 {
			t.Errorf("%T: %v allocations", ev, n)
		}
	}
}

func BenchmarkJSONRecord(b *testing.B) {
	j := NewJSON(discard(b), FixedClock(offset), event.TierNone)
	r := sampleRecord()
	b.ReportAllocs()
	for i := range b.N {
		r.Seq, r.Mono = uint64(i), uint64(i)*1000
		if err := j.Write(r); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(j.buf)))
}

func BenchmarkTextRecord(b *testing.B) {
	s := NewText(discard(b), TextConfig{Clock: FixedClock(offset)})
	r := sampleRecord()
	b.ReportAllocs()
	for i := range b.N {
		r.Seq, r.Mono = uint64(i), uint64(i)*1000
		if err := s.Write(r); err != nil {
			b.Fatal(err)
		}
	}
}
