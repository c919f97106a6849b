package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

func config() Config {
	return Config{Sizes: []int64{1000, 300_000}, Ways: WayNames(), MaxBytes: 1 << 20, MaxTime: time.Minute, Version: tls.VersionTLS13, Repeat: 1, Perf: true}
}

// needs is why this machine lacks a way.
func needs(way string) error {
	switch {
	case strings.HasPrefix(way, "ktls"):
		return ktls.Available()
	case strings.HasPrefix(way, "af_ktls"), strings.HasPrefix(way, "dtls"):
		return ktls.DTLSAvailable()
	}
	return nil
}

// TestRun measures for real; kernel TLS only if there is any.
func TestRun(t *testing.T) {
	c := config()
	var announced int
	c.Progress = func(string, int64) { announced++ }
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cells) != len(c.Sizes)*len(c.Ways) || announced != len(r.Cells) {
		t.Fatalf("%d cells, %d announced", len(r.Cells), announced)
	}
	for _, cell := range r.Cells {
		if needs(cell.Way) != nil {
			if cell.Skipped == "" || cell.Bytes != 0 {
				t.Errorf("measured without what it needs: %+v", cell)
			}
			continue
		}
		// As many streams as fit into MaxBytes.
		want := c.MaxBytes / cell.Size * cell.Size
		if cell.Skipped != "" || cell.Bytes != want || int64(cell.Streams)*cell.Size != want || cell.Wall <= 0 || cell.User+cell.System <= 0 {
			t.Errorf("%+v, want %d bytes", cell, want)
		}
		if plain := strings.HasPrefix(cell.Way, "tcp") || strings.HasPrefix(cell.Way, "udp"); (cell.Cipher == "") != plain {
			t.Errorf("%s with cipher %q", cell.Way, cell.Cipher)
		}
		if (cell.Syscalls == nil) != (r.Absent["syscalls"] != "") || (cell.Instructions == nil) != (r.Absent["instructions"] != "") {
			t.Errorf("counts and reasons differ: %+v, %v", cell, r.Absent)
		}
	}
}

// TestWithoutPerf: nothing is counted, and the result says so.
func TestWithoutPerf(t *testing.T) {
	c := config()
	c.Perf, c.Ways, c.Sizes = false, []string{"tcp write"}, []int64{1}
	c.MaxBytes = 1
	r, err := Run(t.Context(), c)
	if err != nil || r.Absent["syscalls"] != "not counted" || r.Cells[0].Syscalls != nil || r.Cells[0].Instructions != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestTimeCutsAStream: a stream may be longer than the time.
func TestTimeCutsAStream(t *testing.T) {
	c := config()
	c.Sizes, c.Ways, c.MaxBytes, c.MaxTime = []int64{1 << 40}, []string{"tcp write"}, 1<<40, 50*time.Millisecond
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if cell := r.Cells[0]; cell.Bytes == 0 || cell.Bytes >= cell.Size || cell.Streams != 1 || cell.Wall < c.MaxTime {
		t.Errorf("%+v", cell)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, config()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"way":      func(c *Config) { c.Ways = []string{"pigeon"} },
		"no way":   func(c *Config) { c.Ways = nil },
		"no size":  func(c *Config) { c.Sizes = nil },
		"size":     func(c *Config) { c.Sizes = []int64{0} },
		"no bytes": func(c *Config) { c.MaxBytes = 0 },
		"no times": func(c *Config) { c.Repeat = 0 },
		"no time":  func(c *Config) { c.MaxTime = 0 },
	} {
		c := config()
		change(&c)
		if c.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "1000": 1000, "512B": 512, "1KiB": 1024, "1.5MiB": 3 << 19, "1gib": 1 << 30} {
		if n, err := ParseBytes(text); err != nil || n != want {
			t.Errorf("%s is %d, %v", text, n, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "KiB", "1kb", "0.1B", "1e30GiB", "NaNKiB", "x"} {
		if n, err := ParseBytes(text); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
	for _, n := range DefaultSizes {
		if back, err := ParseBytes(Bytes(n)); back != n || err != nil {
			t.Errorf("%d became %s, which is %d, %v", n, Bytes(n), back, err)
		}
	}
}

// sample is a result with each kind of value.
func sample() *Result {
	count := func(n uint64) *uint64 { return &n }
	usage := func(wall time.Duration) Usage {
		return Usage{Wall: wall, User: wall / 4, System: wall / 2, ContextSwitches: 30, Syscalls: count(4000)}
	}
	return &Result{
		Machine: Machine{Kernel: "6.1.0-<test>", CPU: "a CPU", CPUs: 1, Go: "go1.26", Arch: "amd64"},
		Absent:  map[string]string{"instructions": "the machine does not count them"},
		Cells: []Cell{
			{Way: "crypto/tls", Size: 1024, Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Streams: 4096, Bytes: 4 << 20, Spread: 0.025, Usage: usage(200 * time.Millisecond)},
			{Way: "ktls write", Size: 1024, Skipped: "no module"},
			{Way: "crypto/tls", Size: 1 << 30, Streams: 1, Bytes: 8 << 20, Usage: usage(80 * time.Millisecond)},
			{Way: "ktls write", Size: 1 << 30, Skipped: "no module"},
		},
	}
}

func TestMedian(t *testing.T) {
	at := func(ms time.Duration, bytes int64) Cell {
		return Cell{Bytes: bytes, Usage: Usage{Wall: ms * time.Millisecond}}
	}
	got := median([]Cell{at(30, mib), at(20, mib), at(50, 2*mib)})
	if got.Wall != 50*time.Millisecond || got.Spread != 0.4 {
		t.Errorf("%+v", got)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `Linux 6.1.0-<test>, a CPU, 1 CPU, go1.26
TLS 1.3, TLS_AES_128_GCM_SHA256
  SIZE         WAY  MiB/s  CPU ms/MiB  SYSCALLS/MiB  SWITCHES/MiB  MINSTR/MiB
  1KiB  crypto/tls   20.0        37.5          1000          7.50           -
  1KiB  ktls write      -           -             -             -           -
  1GiB  crypto/tls    100        7.50           500          3.75           -
  1GiB  ktls write      -           -             -             -           -
instructions: the machine does not count them
ktls write: no module
`
	if b.String() != want {
		t.Errorf("got\n%s", &b)
	}
}

// TestSVG: well-formed, with a line in each panel for each measured way, and without
// markup from the machine's names.
func TestSVG(t *testing.T) {
	svg := sample().SVG()
	lines := 0
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 2 {
		t.Errorf("%d lines, want 2: %s", lines, svg)
	}
	for _, bad := range []string{"<test>", "NaN", "Inf", "%!"} {
		if bytes.Contains(svg, []byte(bad)) {
			t.Errorf("%s in %s", bad, svg)
		}
	}
	if empty := (&Result{}).SVG(); !bytes.HasSuffix(empty, []byte("</svg>\n")) || bytes.Contains(empty, []byte("NaN")) {
		t.Errorf("nothing measured: %s", empty)
	}
}

func TestDocument(t *testing.T) {
	part, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	other := Section{"other", func(data json.RawMessage) (string, map[string][]byte, error) {
		return "## Other\n" + string(data), map[string][]byte{"other.svg": nil}, nil
	}}
	files, err := Document([]Section{Library(), other, {Name: "absent"}}, map[string]json.RawMessage{"library": part, "other": []byte("1")})
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	text := string(files["bench.md"])
	for _, want := range []string{"| 1KiB | crypto/tls | 50.0 | 2.5 % | 1000 | 7.50 | 20.0 |\n", "- ktls write: no module\n", "\n## Other\n1\n", "TLS 1.3, TLS_AES_128"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, bad := range []string{"null", "{}", "[]"} {
		if _, err := Document([]Section{Library()}, map[string]json.RawMessage{"library": []byte(bad)}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
