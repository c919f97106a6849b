package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/manual"
)

// mention is an environment variable or a file that the help of some commands names.
type mention struct {
	term, text string
	// commands are names of commands. A flag, "--name", stands for all commands with it.
	commands []string
}

// environment lists the variables that ktlstop reads, without Go's own, such as
// GOTRACEBACK.
var environment = []mention{
	{"NO_COLOR", "if it is not empty, the dashboard has no colours", []string{"ktlstop", "demo"}},
	{"TERM", "dumb: instead of using the whole screen, the dashboard prints one picture below the other, in ASCII and without colours", []string{"ktlstop", "demo"}},
	{"LC_ALL, LC_CTYPE, LANG", "the first of them that is set says whether the terminal shows UTF-8; if not, the dashboard draws in ASCII", []string{"ktlstop", "demo"}},
	{"COLUMNS", "the width of lines of text, instead of the terminal's", []string{"trace", "inspect", "list", "doctor", "demo"}},
	{"TZ", "the time zone of times in text", []string{"ktlstop", "trace", "inspect", "demo"}},
	{"SSL_CERT_FILE", "with --read URL: a file with the certificates (PEM) of the authorities to trust", []string{"--read"}},
	{"HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "with --read URL: the proxy", []string{"--read"}},
	{"NODE_IP", "in Kubernetes: the address of the node, whose kubelet knows the names of pods", []string{"--kubelet"}},
	{"NODE_NAME", "in Kubernetes: what this host calls itself in /v1/events and in OTLP", []string{"serve"}},
	{"KUBERNETES_SERVICE_HOST", "if it is set, --group-by is namespace,pod,container,comm by default", []string{"serve"}},
	{"OTEL_EXPORTER_OTLP_ENDPOINT", "URL of a receiver of OTLP over HTTP: serve pushes metrics and rare events to it; docs/otlp.md has the other OTEL_ variables", []string{"serve"}},
	{"NOTIFY_SOCKET, WATCHDOG_USEC", "set by systemd, which learns when the hooks are live and that they still are", []string{"serve"}},
	{"GOGC", "how much garbage may pile up before it is collected, in percent of the memory in use; 15 by default", []string{"ktlstop", "serve"}},
	{"GOMEMLIMIT", "the memory at which garbage is collected in any case; by default nine tenths of the cgroup's memory.max", []string{"serve"}},
	{"KTLSTOP_VERIFIER_LOG", "if it is not empty, an error of the gobpf backend has the kernel verifier's whole log", []string{"--backend"}},
}

// files lists the files that ktlstop uses without being given their names.
var files = []mention{
	{"/sys/kernel/btf/vmlinux, /sys/kernel/btf/tls", "type information of the kernel and of its module tls, which the ebpf backend needs", []string{"--backend"}},
	{"/var/cache/ktlstop", "what the gobpf backend has learned about this build of the kernel", []string{"--backend"}},
	{"/sys/fs/cgroup", "the names of cgroups, for units and containers", []string{"--kubelet"}},
	{"/run/netns", "the network namespaces that --netns finds by name", []string{"--netns"}},
	{"/proc/net/tls_stat", "how many kTLS sockets the kernel counts, in each network namespace", []string{"list", "serve"}},
	{"/etc/default/ktlstop", "KTLSTOP_OPTIONS, the flags of the systemd service", []string{"serve"}},
	{"/var/lib/ktlstop", "the one directory that the systemd service can write to, for --record", []string{"serve"}},
	{"/usr/share/ktlstop", "the packages' JSON schemas, alert rules for Prometheus and dashboard for Grafana", []string{"ktlstop", "serve"}},
}

// mentions returns the variables or files of a command.
func mentions(cmd *cobra.Command, all []mention) []manual.Block {
	var items manual.Items
	for _, f := range all {
		if slices.ContainsFunc(f.commands, func(name string) bool {
			return name == cmd.Name() || len(name) > 2 && cmd.Flags().Lookup(name[2:]) != nil
		}) {
			items = append(items, manual.Item{Term: f.term, Text: f.text})
		}
	}
	if items == nil {
		return nil
	}
	return []manual.Block{items}
}

// related lists the pages that a command's page refers to, besides that of ktlstop.
var related = map[string][]string{
	"ktlstop": {"ktlstop-filters(7)", "ktlstop-events(7)", "ss(8)", "tcpdump(8)"},
	"trace":   {"ktlstop-filters(7)", "ktlstop-events(7)", "ktlstop-inspect(1)", "wireshark(1)"},
	"inspect": {"ktlstop-trace(1)", "ktlstop-filters(7)", "ktlstop-events(7)"},
	"tap":     {"ktlstop-trace(1)", "ktlstop-filters(7)", "tcpdump(8)", "tshark(1)"},
	"list":    {"ktlstop-doctor(1)", "ktlstop-filters(7)", "ktlstop-events(7)", "ss(8)"},
	"doctor":  {"ktlstop-list(1)", "openssl.cnf(5)"},
	"serve":   {"ktlstop-trace(1)", "ktlstop-filters(7)", "ktlstop-events(7)", "systemd.service(5)"},
	"gen":     {"ktlstop-demo(1)", "ktlstop-bench(1)"},
	"bench":   {"ktlstop-gen(1)"},
	"demo":    {"ktlstop-gen(1)"},
}

func seeAlso(cmd *cobra.Command) []string {
	if !cmd.HasParent() {
		var pages []string
		for _, c := range cmd.Commands() {
			pages = append(pages, manName(c.CommandPath())+"(1)")
		}
		return append(pages, related[cmd.Name()]...)
	}
	return append([]string{"ktlstop(1)"}, related[cmd.Name()]...)
}
