package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace is the prefix of all names.
const namespace = "ktlstop"

// families are the metrics of groups, and those of the run.
type families struct {
	records, bytes, duration, stageSeconds, stageMeasured, stageDuration, longest,
	connections, opened, closed, keyUpdates, keyRecords, alerts, errors, setupFailures,
	lost, programSeconds, programRuns, hooksMissing, groups, overflowed, sampleEvery, lastRead,
	build, kernel *prometheus.Desc
}

// newFamilies describes the metrics of groups with these labels.
func newFamilies(groupBy []string) *families {
	of := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, slices.Concat(groupBy, labels), nil)
	}
	run := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	}
	return &families{
		records: of("records_total", "Records that the kernel sealed (tx) or opened (rx), by type.", "direction", "type"),
		bytes:   of("record_bytes_total", "Bytes of the plaintexts of these records.", "direction"),
		duration: of("record_duration_seconds",
			"Time from a record's first byte to TCP (tx), or from its arrival to the return of the call that read it (rx). The bounds are those of the kernel's own histogram.", "direction"),
		stageSeconds: of("record_stage_seconds_total",
			"Time that records spent in a stage. An estimate under load: one in some records is measured and counted for all.", "direction", "stage"),
		stageMeasured: of("record_stage_measured_total",
			"Records of which the time in a stage is known: what record_stage_seconds_total is to be divided by.", "direction", "stage"),
		stageDuration: of("record_stage_duration_seconds",
			"Time that records spent in a stage. An estimate under load, see record_stage_seconds_total.", "direction", "stage"),
		longest: of("record_duration_max_seconds",
			"Longest record of the last one to two minutes, rounded up to a bound of record_duration_seconds where an earlier one of the group was longer.", "direction"),
		connections:   of("connections", "Open connections, by who seals (tx) or opens (rx) their records: sw the kernel, hw a network card, none neither.", "direction", "mode"),
		opened:        of("connections_opened_total", "Connections that got their first key in the kernel, by its version and cipher.", "version", "cipher"),
		closed:        of("connections_closed_total", "Connections that ended."),
		keyUpdates:    of("key_updates_total", "New keys that connections got after their first.", "direction"),
		keyRecords:    of("key_records_max", "Most records under one key, of the open connections.", "direction"),
		alerts:        of("alerts_total", "Alerts sent and received, by the names of RFC 8446.", "direction", "level", "description"),
		errors:        of("errors_total", "Records that could not be sealed or opened, connections that were given up and calls that failed, by the kernel's function.", "direction", "errno", "func"),
		setupFailures: of("setup_failures_total", "Programs' requests for kernel TLS that were refused: the protocol (ulp), a direction's key (tx, rx), or another option, by its name.", "step", "errno"),

		lost:           run("lost_total", "What could not be told or counted, by cause.", "cause"),
		programSeconds: run("program_seconds_total", "Time that the BPF programs took on all processors. An estimate: measured for a moment now and then, and taken for the time between.", "program"),
		programRuns:    run("program_runs_total", "Runs of the BPF programs, estimated in the same way.", "program"),
		hooksMissing:   run("hooks_missing", "Hooks that this kernel lacks or refuses; see the log for what that costs.", "hook"),
		groups:         run("groups", "Groups of connections that metrics are shown of."),
		overflowed:     run("groups_overflowed_total", "Connections and failures that counted for the group \"other\", since there were too many groups."),
		sampleEvery:    run("sample_every", "One in how many records is counted."),
		lastRead:       run("last_read_timestamp_seconds", "When the kernel's sums were last read."),
		build:          run("build_info", "Always 1; which ktlstop this is.", "version", "revision", "goversion"),
		kernel:         run("kernel_info", "Always 1; the kernel, how ktlstop is attached to it, and whether it has type information.", "release", "backend", "btf"),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	f := c.families
	for _, d := range []*prometheus.Desc{
		f.records, f.bytes, f.duration, f.stageSeconds, f.stageMeasured, f.stageDuration, f.longest,
		f.connections, f.opened, f.closed, f.keyUpdates, f.keyRecords, f.alerts, f.errors, f.setupFailures,
		f.lost, f.programSeconds, f.programRuns, f.hooksMissing, f.groups, f.overflowed, f.sampleEvery, f.lastRead,
		f.build, f.kernel,
	} {
		to <- d
	}
}
