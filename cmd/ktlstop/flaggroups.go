package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/manual"
)

// flagGroup is a heading of the help and the flags below it, each as "name VALUE". A
// boolean flag has no value.
type flagGroup struct {
	title string
	flags []string
}

// flagGroups are the groups of the commands that look at records, in the order of the
// help. The help of a command shows those flags that the command has.
var flagGroups = []flagGroup{
	{"Filters (all must match)", []string{
		"pid PID", "comm NAME", "uid USER", "cgroup DIR", "netns NS", "port N", "dir tx|rx", "match EXPR",
		"socket-filter OBJ[:PROGRAM]", "cbpf NUMBERS"}},
	{"What to look at", []string{"watch TIME", "self"}},
	{"What to show", []string{
		"snaplen N", "output FORMAT", "wide", "format FORMAT", "join", "redact REGEX", "no-redact",
		"interval TIME", "stages on|off", "histograms stages", "slow TIME", "group-by LABELS", "max-groups N", "events KINDS"}},
	{"How much", []string{
		"count N", "duration TIME", "sample N|auto", "max-cpu PERCENT", "cost",
		"ring-bytes N", "payload-ring-bytes N", "output-bytes N"}},
	{"Where to write", []string{
		"write FILE", "mtu N", "rotate-size N", "rotate-files N", "rotate-seconds N", "tap-netns NS"}},
	{"Where to listen", []string{"web.listen-address HOST:PORT", "web.config.file FILE", "web.insecure"}},
	{"Recordings and other hosts", []string{"read FILE|URL", "read-user-file FILE", "speed N"}},
	{"Flight recorder", []string{
		"keep TIME", "keep-after TIME", "keep-bytes N", "on EXPR", "on-times N/TIME", "record DIR", "record-bytes N"}},
	{"Names of pods", []string{"kubelet URL|off", "kubelet-ca FILE", "kubelet-token FILE", "kubelet-insecure"}},
	{"Other flags", []string{"backend NAME", "ready-file FILE", "no-descriptions", "help"}},
}

// makerGroups are the groups of the commands that make traffic, by command.
var makerGroups = map[string][]flagGroup{
	"gen": {
		{"What to send", []string{
			"size SIZE", "seed N", "op CALL", "sendfile", "dir tx|rx|both", "alert-every N", "rekey-every N", "read-delay TIME", "fault KIND"}},
		{"How much", []string{"connections N", "rounds N", "rate R", "duration TIME"}},
		{"How it is protected", []string{"tls VERSION", "cipher NAME", "dtls", "require"}},
		{"Between which ends", []string{"listen HOST:PORT", "connect HOST:PORT"}},
		{"What to show", []string{"output FORMAT", "list-records"}},
		{"Other flags", []string{"help"}},
	},
	"bench": {
		{"What to measure", []string{"sizes SIZES", "ways WAYS", "tls VERSION", "perf"}},
		{"How much", []string{"max-bytes SIZE", "duration TIME", "repeat N"}},
		{"What to show", []string{"output FORMAT", "svg FILE"}},
		{"Other flags", []string{"help"}},
	},
}

// groupsOf returns the groups of a command's flags.
func groupsOf(cmd *cobra.Command) []flagGroup {
	if groups, ok := makerGroups[cmd.Name()]; ok {
		return groups
	}
	return flagGroups
}

// flagSections describes the flags of a command, a section for each group.
func flagSections(cmd *cobra.Command) (sections []manual.Section) {
	cmd.InitDefaultHelpFlag()
	for _, group := range groupsOf(cmd) {
		var items manual.Items
		for _, entry := range group.flags {
			if item := flagItem(cmd.Flags(), entry); item.Term != "" {
				items = append(items, item)
			}
		}
		if items != nil {
			sections = append(sections, manual.Section{Title: group.title, Blocks: []manual.Block{items}, Sub: true})
		}
	}
	return sections
}

// flagItem describes the flag of an entry of a group. It is empty if there is no such flag.
func flagItem(flags *pflag.FlagSet, entry string) manual.Item {
	name, value, _ := strings.Cut(entry, " ")
	f := flags.Lookup(name)
	if f == nil {
		return manual.Item{}
	}
	return manual.Item{Term: flagTerm(f, value), Text: flagText(f)}
}

// flagTerm is a flag as it is typed. The long forms of all flags are aligned.
func flagTerm(f *pflag.Flag, value string) string {
	term := "    --" + f.Name
	if f.Shorthand != "" {
		term = "-" + f.Shorthand + ", --" + f.Name
	}
	return strings.TrimRight(term+" "+value, " ")
}

// flagText is the usage of a flag and its default.
func flagText(f *pflag.Flag) string {
	switch value := strings.Trim(f.DefValue, "[]"); value {
	case "", "0", "0s", "false":
		return f.Usage
	case "true":
		return f.Usage + " (default on)"
	default:
		return fmt.Sprintf("%s (default %s)", f.Usage, strings.ReplaceAll(value, ",", ", "))
	}
}
