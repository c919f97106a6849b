package metrics

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// TLSStat shows the kernel's own TLS counters of this network namespace: each known line of
// /proc/net/tls_stat (net/tls/tls_proc.c).
type TLSStat struct {
	// Path is the file, which does not exist while the module tls is not loaded.
	Path string
	// Since is the time when the kernel began to count: Boot.
	Since time.Time
}

// Boot is the time when this machine started, by the clock of now; the zero time if it is not
// known.
func Boot() time.Time {
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(up.Nano()))
}

// TLSStatPath is the kernel's file.
const TLSStatPath = "/proc/net/tls_stat"

type stat struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// stats has the lines by name.
var stats = map[string]stat{
	"TlsCurrTxSw":         gaugeStat("curr_tx_sw", "Directions sent that the kernel's software seals now."),
	"TlsCurrRxSw":         gaugeStat("curr_rx_sw", "Directions received that the kernel's software opens now."),
	"TlsCurrTxDevice":     gaugeStat("curr_tx_device", "Directions sent that a network card seals now."),
	"TlsCurrRxDevice":     gaugeStat("curr_rx_device", "Directions received that a network card opens now."),
	"TlsTxSw":             counterStat("tx_sw_total", "Directions sent that were given to the kernel's software."),
	"TlsRxSw":             counterStat("rx_sw_total", "Directions received that were given to the kernel's software."),
	"TlsTxDevice":         counterStat("tx_device_total", "Directions sent that were given to a network card."),
	"TlsRxDevice":         counterStat("rx_device_total", "Directions received that were given to a network card."),
	"TlsDecryptError":     counterStat("decrypt_error_total", "Records received that could not be opened."),
	"TlsRxDeviceResync":   counterStat("rx_device_resync_total", "Times that a network card was told where a record begins."),
	"TlsDecryptRetry":     counterStat("decrypt_retry_total", "Records received that were opened twice, since they had padding or were no data."),
	"TlsRxNoPadViolation": counterStat("rx_no_pad_violation_total", "Records of data received that were opened twice, since they had padding."),
	"TlsTxRekeyOk":        counterStat("tx_rekey_ok_total", "New keys for what is sent."),
	"TlsRxRekeyOk":        counterStat("rx_rekey_ok_total", "New keys for what is received."),
	"TlsTxRekeyError":     counterStat("tx_rekey_error_total", "New keys for what is sent that were refused."),
	"TlsRxRekeyError":     counterStat("rx_rekey_error_total", "New keys for what is received that were refused."),
	"TlsRxRekeyReceived":  counterStat("rx_rekey_received_total", "New keys that peers announced (KeyUpdate)."),
}

func gaugeStat(name, help string) stat {
	return stat{prometheus.NewDesc(namespace+"_tls_stat_"+name, help+" Of this network namespace.", nil, nil), prometheus.GaugeValue}
}

func counterStat(name, help string) stat {
	s := gaugeStat(name, help)
	s.kind = prometheus.CounterValue
	return s
}

// Describe implements prometheus.Collector.
func (TLSStat) Describe(to chan<- *prometheus.Desc) {
	for _, s := range stats {
		to <- s.desc
	}
}

// Collect implements prometheus.Collector.
func (t TLSStat) Collect(to chan<- prometheus.Metric) {
	b, err := os.ReadFile(t.Path)
	if err != nil {
		return // this kernel has no TLS yet
	}
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if len(words) != 2 {
			continue
		}
		s, known := stats[words[0]]
		n, err := strconv.ParseInt(words[1], 10, 64) // a sum over processors, which can be below 0 for a moment
		if known && err == nil {
			to <- t.metric(s, float64(max(n, 0)))
		}
	}
}

// metric adds the time when it began to count, if it is a counter: that was before ktlstop.
func (t TLSStat) metric(s stat, value float64) prometheus.Metric {
	if s.kind == prometheus.CounterValue && !t.Since.IsZero() {
		return prometheus.MustNewConstMetricWithCreatedTimestamp(s.desc, s.kind, value, t.Since)
	}
	return prometheus.MustNewConstMetric(s.desc, s.kind, value)
}
