package inspect

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// FuzzInspect feeds arbitrary bytes in arbitrary records. Nothing may panic, nothing
// may be held or missing at the end, and no control character may be shown.
func FuzzInspect(f *testing.F) {
	for _, c := range http1Cases {
		for _, one := range c.say {
			f.Add([]byte(one), uint16(7), true)
		}
	}
	for _, one := range append(conversation(), "r\x1b[2J\u009b31m\u202e\n\tx\x7f") {
		f.Add([]byte(one), uint16(100), false)
	}
	for _, one := range storageSaid(f) {
		f.Add(one, uint16(len(one)-1), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, size uint16, fresh bool) {
		if len(raw) > 1<<16 {
			return
		}
		fd := newFeed(t, Config{}, `a+b`)
		if fresh {
			fd.both()
		}
		said := [2]int{}
		for i := 0; len(raw) > 0; i++ {
			n := min(int(size%509)+1, len(raw))
			d := event.Dir(raw[0] & 1)
			captured := n
			if raw[0]&0x78 == 0x78 {
				captured = int(raw[0]>>1) % (n + 1)
			}
			fd.sendCut(d, string(raw[:n]), captured)
			said[d] += captured
			raw = raw[n:]
		}
		out := fd.close()
		for d := range said {
			if len(out.payload[d]) != said[d] {
				t.Errorf("%d bytes shown, %d captured", len(out.payload[d]), said[d])
			}
		}
		checkText(t, out.text)
		for line := range bytes.Lines(out.text) {
			if s := string(bytes.TrimSuffix(line, []byte("\n"))); safe.String(s) != s {
				t.Errorf("%q is not fit for a terminal", s)
			}
		}
	})
}

// FuzzSplit: how the bytes are split into records does not change the output for a
// connection whose beginning was seen, if it is HTTP.
func FuzzSplit(f *testing.F) {
	for _, one := range secretive() {
		f.Add([]byte(one[0][1:]), uint16(5))
	}
	for _, one := range conversation() {
		f.Add([]byte(one[1:]), uint16(11))
	}
	f.Fuzz(func(t *testing.T, raw []byte, size uint16) {
		if len(raw) == 0 || len(raw) > 1<<13 || startLine(raw) != isHTTP1 && !bytes.HasPrefix(raw, []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) {
			return
		}
		whole := newFeed(t, Config{}, pattern).both().split(rx, raw).close()
		if len(whole.notes) > 0 { // then records are where it goes on
			return
		}
		cut := newFeed(t, Config{}, pattern).both()
		converse(cut, []string{"r" + string(raw)}, int(size%97)+1)
		parts := cut.close()
		if !bytes.Equal(whole.payload[rx], parts.payload[rx]) {
			t.Errorf("shown\n%q\nand in parts\n%q", whole.payload[rx], parts.payload[rx])
		}
		if a, b := len(whole.http), len(parts.http); a != b {
			t.Errorf("%d requests, in parts %d", a, b)
		}
	})
}

const plainLine = "0123456789abcdef 0123456789abcdef 0123456789abcdef 0123456789ab\n"

func BenchmarkBody(b *testing.B)     { benchmark(b, plainLine) }
func BenchmarkPatterns(b *testing.B) { benchmark(b, plainLine, pattern) }

// BenchmarkForm and BenchmarkColons have many characters that a secret may follow.
func BenchmarkForm(b *testing.B)   { benchmark(b, strings.Repeat("name=value&", 6)[1:]) }
func BenchmarkColons(b *testing.B) { benchmark(b, strings.Repeat("::::::::", 8)) }

// benchmark is the body of one response, in records of 16 KiB of the same line.
func benchmark(b *testing.B, line string, patterns ...string) {
	body := bytes.Repeat([]byte(line), 16384/len(line))
	f := newFeed(b, Config{}, patterns...).both()
	f.in.out = discard{}
	f.send(rx, get).send(tx, "HTTP/1.1 200 OK\r\n\r\n")
	r := f.record(tx, body)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := f.in.Write(r); err != nil {
			b.Fatal(err)
		}
		r.Seq++
	}
}

type discard struct{}

func (discard) Record(*event.Record, []Piece) error { return nil }
func (discard) Write(event.Event) error             { return nil }
func (discard) Flush() error                        { return nil }

// BenchmarkRequests is small requests and responses on one connection.
func BenchmarkRequests(b *testing.B) {
	f := newFeed(b, Config{}).both()
	f.in.out = discard{}
	b.SetBytes(int64(len(get) + len(ok3)))
	b.ReportAllocs()
	for range b.N {
		f.send(rx, get).send(tx, ok3)
	}
}
