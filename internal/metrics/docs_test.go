package metrics

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sys/unix"
)

// row is a line of a table of docs/metrics.md: name, type and labels.
var row = regexp.MustCompile("(?m)^\\| `(ktlstop_[a-z0-9_]+)` \\| (\\w+) \\|([^|]*)\\| ([^|]+) \\|$")

// TestDocumented: docs/metrics.md has exactly the metrics of the code, with their types and
// labels.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(labels)
		if _, twice := documented[m[1]]; twice {
			t.Errorf("%s is there twice", m[1])
		}
		documented[m[1]] = m[2] + " " + strings.Join(labels, ",")
	}
	shown := map[string]string{}
	for _, family := range all(t) {
		shown[family.GetName()] = describe(family)
	}
	for name, what := range shown {
		if documented[name] != what {
			t.Errorf("docs/metrics.md has %s as %q, it is %q", name, documented[name], what)
		}
	}
	for name := range documented {
		if shown[name] == "" {
			t.Errorf("docs/metrics.md has %s, which there is not", name)
		}
	}
	if len(shown) < 40 {
		t.Errorf("%d metrics", len(shown))
	}
}

// all returns all metrics, with a series each.
func all(t testing.TB) []*dto.MetricFamily {
	t.Helper()
	f := everything(t)
	path := filepath.Join(t.TempDir(), "tls_stat")
	var lines strings.Builder
	for name := range stats {
		lines.WriteString(name + "  \t7\n")
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	f.registry.MustRegister(TLSStat{Path: path})
	families, err := f.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// describe returns a family's type, and its labels without those of a group.
func describe(family *dto.MetricFamily) string {
	var labels []string
	for _, l := range family.Metric[0].Label {
		if l.GetName() != "comm" {
			labels = append(labels, l.GetName())
		}
	}
	slices.Sort(labels)
	return strings.ToLower(family.GetType().String()) + " " + strings.Join(labels, ",")
}

// TestTLSStat: the collector shows the kernel's counters, and nothing if the kernel has no
// TLS, or for unknown lines.
func TestTLSStat(t *testing.T) {
	f := newFixture(t, Config{}, true)
	path := filepath.Join(t.TempDir(), "tls_stat")
	boot := Boot()
	f.registry.MustRegister(TLSStat{Path: path, Since: boot})
	f.absent("tls_stat_tx_sw_total")
	text := "TlsCurrTxSw                     \t3\nTlsTxSw \t18446744073709551615\nTlsRxSw \t12\nTlsNew 5\nTlsDecryptError\nTlsRxRekeyOk -1\n\x1b[31m 4\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.expect(3, "tls_stat_curr_tx_sw")
	f.expect(12, "tls_stat_rx_sw_total")
	f.expect(0, "tls_stat_rx_rekey_ok_total")
	f.absent("tls_stat_decrypt_error_total")
	f.absent("tls_stat_tx_sw_total")
	if got := f.series("tls_stat_rx_sw_total").GetCounter().GetCreatedTimestamp().AsTime(); !got.Equal(boot) {
		t.Errorf("it counts since %v, want %v", got, boot)
	}
}

// TestBoot: sysinfo(2) gives the same time, in whole seconds.
func TestBoot(t *testing.T) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	want := time.Now().Add(-time.Duration(info.Uptime) * time.Second)
	if d := Boot().Sub(want).Abs(); d > 3*time.Second {
		t.Errorf("started at %v, by sysinfo at %v", Boot(), want)
	}
}

// TestSeriesOfAGroup is the documented number of series of a group that opened connections of
// one version and cipher and has seen no alert and no error.
func TestSeriesOfAGroup(t *testing.T) {
	count := func(cfg Config) (n int) {
		f := newFixture(t, cfg, true)
		f.write(opens(1, "nginx"))
		f.round(sample(1, "nginx", 10))
		families, err := f.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, m := range family.Metric {
				if !slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == "comm" }) {
					continue
				}
				n++
				if h := m.GetHistogram(); h != nil {
					n += len(h.Bucket) + 2 // +Inf, sum and count, of which one is counted
				}
			}
		}
		return n
	}
	alone, stages, histograms := count(Config{}), count(Config{Stages: true}), count(Config{Stages: true, StageHistograms: true})
	tens := func(n int) int { return (n + 5) / 10 * 10 }
	for file, want := range map[string]string{
		"metrics.md": fmt.Sprintf("some %d series", tens(alone)), "fleet.md": fmt.Sprintf("some %d series", tens(alone)),
		"./metrics.md": fmt.Sprintf("with `--stages on` %d more, with `--histograms stages` some %d more", stages-alone, tens(histograms-stages)),
	} {
		if page, err := os.ReadFile("../../docs/" + file); err != nil || !strings.Contains(string(page), want) {
			t.Errorf("%s does not say %q (%v): a group has %d, %d, %d", file, want, err, alone, stages, histograms)
		}
	}
}
