package observe

import "slices"

// groupLabels are those that --group-by can choose.
var groupLabels = []string{"comm", "unit", "namespace", "pod", "container"}

// scraped are those that Prometheus adds.
var scraped = []string{"instance", "job"}

// metrics has the labels of each metric that serve tells, group labels included, and of what Prometheus itself knows.
var metrics = map[string][]string{
	"ktlstop_records_total":               group("direction", "type"),
	"ktlstop_record_bytes_total":          group("direction"),
	"ktlstop_record_duration_seconds":     group("direction"),
	"ktlstop_record_stage_seconds_total":  group("direction", "stage"),
	"ktlstop_record_stage_measured_total": group("direction", "stage"),
	"ktlstop_record_duration_max_seconds": group("direction"),
	"ktlstop_connections":                 group("direction", "mode"),
	"ktlstop_connections_opened_total":    group("version", "cipher"),
	"ktlstop_connections_closed_total":    group(),
	"ktlstop_key_updates_total":           group("direction"),
	"ktlstop_key_records_max":             group("direction"),
	"ktlstop_alerts_total":                group("direction", "level", "description"),
	"ktlstop_errors_total":                group("direction", "errno", "func"),
	"ktlstop_setup_failures_total":        group("step", "errno"),
	"ktlstop_lost_total":                  {"cause"},
	"ktlstop_program_seconds_total":       {"program"},
	"ktlstop_program_runs_total":          {"program"},
	"ktlstop_hooks_missing":               {"hook"},
	"ktlstop_groups":                      {},
	"ktlstop_groups_overflowed_total":     {},
	"ktlstop_sample_every":                {},
	"ktlstop_last_read_timestamp_seconds": {},
	"ktlstop_build_info":                  {"version", "revision", "goversion"},
	"ktlstop_kernel_info":                 {"release", "backend", "btf"},
	"up":                                  {},
}

func group(labels ...string) []string { return slices.Concat(groupLabels, labels) }
