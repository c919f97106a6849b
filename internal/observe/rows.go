package observe

import (
	"maps"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

type panel = cog.Builder[dashboard.Panel]

type row struct {
	title  string
	panels []panel
}

// legendBy names a line by the reader's grouping: labels that are not there leave nothing but spaces.
const legendBy = "{{instance}} {{namespace}} {{pod}} {{container}} {{unit}} {{comm}} "

func rows() []row {
	return []row{
		{"Now", now()},
		{"Connections", connections()},
		{"Records", records()},
		{"Times", times()},
		{"Trouble", trouble()},
		{"The kernel's own counts", own()},
		{"ktlstop itself", itself()},
	}
}

func now() []panel {
	return []panel{
		figure(chart{"Connections", "Sockets with kernel TLS.", units.Short,
			[]query{{total("max without (direction, mode) (" + sumModes() + ")"), ""}}}, 0),
		figure(chart{"Opened", "Connections a second that got their first key.", units.OpsPerSecond,
			[]query{{total(rate(series("ktlstop_connections_opened_total"))), ""}}}, 0),
		figure(chart{"Records", "Records a second, sent and received.", units.RecordsPerSecond,
			[]query{{total(rate(series("ktlstop_records_total"))), ""}}}, 0),
		figure(chart{"Bytes", "Plaintext a second, sent and received.", units.BytesPerSecondIEC,
			[]query{{total(rate(series("ktlstop_record_bytes_total"))), ""}}}, 0),
		figure(chart{"Errors", "Records a second that could not be sealed or opened, and calls that failed.", units.OpsPerSecond,
			[]query{{total(rate(series("ktlstop_errors_total"))), ""}}}, 0.05),
		figure(chart{"Key nearest to its end", "Of 2^24.5 records, the limit of AES-GCM (RFC 8446 §5.5).", units.PercentUnit,
			[]query{{keyUse("max(" + series("ktlstop_key_records_max") + ")"), ""}}}, 0.8),
		figure(chart{"Lost", "Records a second that ktlstop knows it missed.", units.RecordsPerSecond,
			[]query{{total(rate(`ktlstop_lost_total{cause!="slow_limit", ` + ofHost + "}")), ""}}}, 1e-9),
		figure(chart{"Hooks missing", "Functions of the kernel that ktlstop could not attach to.", units.Short,
			[]query{{total(hostSeries("ktlstop_hooks_missing")), ""}}}, 1),
	}
}

// sumModes counts each connection in each direction once: it has one mode there.
func sumModes() string {
	return "sum without (mode) (" + series("ktlstop_connections") + ")"
}

func connections() []panel {
	return []panel{
		graph(chart{"Open, by who encrypts", "sw: the kernel; hw: the network card; none: kernel TLS is on for the other direction only.", units.Short,
			[]query{{sum(series("ktlstop_connections"), "direction", "mode"), legendBy + "{{direction}} {{mode}}"}}}),
		graph(chart{"Opened, by version and cipher", "", units.OpsPerSecond,
			[]query{{sum(rate(series("ktlstop_connections_opened_total")), "version", "cipher"), legendBy + "{{version}} {{cipher}}"}}}),
		graph(chart{"Closed", "", units.OpsPerSecond,
			[]query{{sum(rate(series("ktlstop_connections_closed_total"))), legendBy}}}),
	}
}

func records() []panel {
	return []panel{
		graph(chart{"Records, by type", "", units.RecordsPerSecond,
			[]query{{sum(rate(series("ktlstop_records_total")), "direction", "type"), legendBy + "{{direction}} {{type}}"}}}),
		graph(chart{"Bytes of plaintext", "", units.BytesPerSecondIEC,
			[]query{{sum(rate(series("ktlstop_record_bytes_total")), "direction"), legendBy + "{{direction}}"}}}),
		graph(chart{"Mean length of a record", "Short records cost more a byte: 16 KiB is the most that one holds.", units.BytesIEC,
			[]query{{sum(rate(series("ktlstop_record_bytes_total")), "direction") + " / " +
				sum(rate(series("ktlstop_records_total")), "direction"), legendBy + "{{direction}}"}}}),
	}
}

func times() []panel {
	spread := func(direction string) string {
		return "sum by (le) (" + rate(series("ktlstop_record_duration_seconds_bucket", `direction="`+direction+`"`)) + ")"
	}
	return []panel{
		heat(chart{"Sent: first byte to TCP", "How long records took, in the kernel's own buckets: powers of two.", units.Seconds,
			[]query{{spread("tx"), "{{le}}"}}}),
		heat(chart{"Received: there to read", "From when a whole record waits to be read until the call that opened it returns.", units.Seconds,
			[]query{{spread("rx"), "{{le}}"}}}),
		graph(chart{"p50 and p99", "Estimated within the kernel's buckets: right to a factor of two.", units.Seconds,
			[]query{{quantile(0.5), legendBy + "{{direction}} p50"}, {quantile(0.99), legendBy + "{{direction}} p99"}}}),
		graph(chart{"Longest in the last minute", "", units.Seconds,
			[]query{{"max by (" + by + ", direction) (" + series("ktlstop_record_duration_max_seconds") + ")", legendBy + "{{direction}}"}}}),
		heat(chart{"Stages of what is sent", "Empty unless ktlstop serve has --stages on and --histograms stages.", units.Seconds,
			[]query{{"sum by (le) (" + rate(series("ktlstop_record_stage_duration_seconds_bucket", `direction="tx"`)) + ")", "{{le}}"}}}),
		graph(chart{"Mean of each stage", "Of records that were looked at closely. Empty unless ktlstop serve has --stages on.", units.Seconds,
			[]query{{mean(), legendBy + "{{direction}} {{stage}}"}}}),
	}
}

func trouble() []panel {
	return []panel{
		graph(chart{"Errors, by errno and function", "EBADMSG: a record that could not be opened.", units.OpsPerSecond,
			[]query{{sum(rate(series("ktlstop_errors_total")), "direction", "errno", "func"), legendBy + "{{direction}} {{errno}} {{func}}"}}}),
		graph(chart{"Kernel TLS refused, by step and errno", "ulp: the option TCP_ULP; tx and rx: setting a key. ktlstop doctor says why.", units.OpsPerSecond,
			[]query{{sum(rate(series("ktlstop_setup_failures_total")), "step", "errno"), legendBy + "{{step}} {{errno}}"}}}),
		graph(chart{"Alerts", "By level and description (RFC 8446 §6).", units.OpsPerSecond,
			[]query{{sum(rate(series("ktlstop_alerts_total")), "direction", "level", "description"), legendBy + "{{direction}} {{level}} {{description}}"}}}),
		graph(chart{"New keys", "KeyUpdate and new keys that programs set.", units.OpsPerSecond,
			[]query{{sum(rate(series("ktlstop_key_updates_total")), "direction"), legendBy + "{{direction}}"}}}),
		graph(chart{"Use of a key", "Most records under one key, of 2^24.5 that AES-GCM allows (RFC 8446 §5.5).", units.PercentUnit,
			[]query{{keyUse("max by (" + by + ", direction) (" + series("ktlstop_key_records_max") + ")"), legendBy + "{{direction}}"}}}),
	}
}

// own are the counts of /proc/net/tls_stat: of all TLS in the network namespace, whatever ktlstop looks at.
func own() []panel {
	count := func(metrics map[string]string) (qs []query) {
		for _, legend := range slices.Sorted(maps.Keys(metrics)) {
			qs = append(qs, query{rate(hostSeries("ktlstop_tls_stat_" + metrics[legend] + "_total")), "{{instance}} " + legend})
		}
		return qs
	}
	var open []query
	for _, name := range []string{"tx_sw", "rx_sw", "tx_device", "rx_device"} {
		open = append(open, query{hostSeries("ktlstop_tls_stat_curr_" + name), "{{instance}} " + name})
	}
	return []panel{
		graph(chart{"Directions with a key now", "device: a network card.", units.Short, open}),
		graph(chart{"Directions that got a key", "", units.OpsPerSecond,
			count(map[string]string{"tx sw": "tx_sw", "rx sw": "rx_sw", "tx device": "tx_device", "rx device": "rx_device"})}),
		graph(chart{"Not opened, opened twice, card lost its place", "", units.OpsPerSecond,
			count(map[string]string{"not opened": "decrypt_error", "opened twice": "decrypt_retry", "of these, data with padding": "rx_no_pad_violation",
				"card told where a record begins": "rx_device_resync"})}),
		graph(chart{"New keys", "Linux 6.14 and later.", units.OpsPerSecond,
			count(map[string]string{"tx": "tx_rekey_ok", "rx": "rx_rekey_ok", "tx refused": "tx_rekey_error", "rx refused": "rx_rekey_error",
				"announced by peers": "rx_rekey_received"})}),
	}
}

func itself() []panel {
	return []panel{
		graph(chart{"Processor time of the programs", "Share of one processor, extrapolated from short measurements.", units.PercentUnit,
			[]query{{"sum by (instance, program) (" + rate(hostSeries("ktlstop_program_seconds_total")) + ")", "{{instance}} {{program}}"}}}),
		graph(chart{"Runs of the programs", "", units.OpsPerSecond,
			[]query{{"sum by (instance, program) (" + rate(hostSeries("ktlstop_program_runs_total")) + ")", "{{instance}} {{program}}"}}}),
		graph(chart{"Lost, by cause", "What ktlstop knows it missed; docs/events.md names the causes.", units.RecordsPerSecond,
			[]query{{"sum by (instance, cause) (" + rate(hostSeries("ktlstop_lost_total")) + ")", "{{instance}} {{cause}}"}}}),
		graph(chart{"Not delivered by OTLP", "What a receiver did not take and the queue had no room for.", units.CountsPerSecond,
			[]query{{"sum by (instance, signal) (" + rate(hostSeries("ktlstop_otlp_dropped_total")) + ")", "{{instance}} {{signal}}"}}}),
		graph(chart{"Groups", "Sets of labels; those beyond --max-groups are added up as comm=\"other\".", units.Short,
			[]query{{hostSeries("ktlstop_groups"), "{{instance}} groups"},
				{"rate(" + hostSeries("ktlstop_groups_overflowed_total") + "[$__rate_interval])", "{{instance}} overflowed a second"}}}),
		graph(chart{"Age of the figures", "Since ktlstop last read what the kernel adds up.", units.Seconds,
			[]query{{"time() - " + hostSeries("ktlstop_last_read_timestamp_seconds"), "{{instance}}"}}}),
		graph(chart{"Sampling", "One record in so many is looked at closely.", units.Short,
			[]query{{hostSeries("ktlstop_sample_every"), "{{instance}}"}}}),
		graph(chart{"Hooks missing", "", units.Short,
			[]query{{hostSeries("ktlstop_hooks_missing"), "{{instance}} {{hook}}"}}}),
		list(chart{"Versions", "", "", []query{{hostSeries("ktlstop_build_info"), ""}}}),
		list(chart{"Kernels", "", "", []query{{hostSeries("ktlstop_kernel_info"), ""}}}),
	}
}
