package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/manual"
	"github.com/ktlstop/ktlstop/internal/match"
)

// filtersPage is the page of help filters. It takes flags and fields from the code.
func filtersPage() *manual.Page {
	return &manual.Page{
		Name: "ktlstop-filters", Section: 7, Short: "the filter flags and the language of --match",
		About: []manual.Block{
			manual.Para(`Filters choose what ktlstop traces. They act in the kernel: a record that they reject takes no room in
the rings, and none of its plaintext is copied. All of them must match. ktlstop, trace, inspect, tap and serve trace
with them, and list applies them to the sockets that it found.`),
		},
		Sections: []manual.Section{
			{Title: "Filter flags", Blocks: []manual.Block{filterItems()}},
			{Title: "Expressions", Blocks: expressionBlocks()},
			{Title: "Fields of connections, which list takes too", Blocks: []manual.Block{fieldItems(true),
				manual.Para("addr, laddr and raddr are compared with addresses and networks. (u): user space evaluates the field, not the kernel.")}},
			{Title: "Fields of records", Blocks: []manual.Block{fieldItems(false),
				manual.Para("Times need a unit, such as 300us, 5ms or 1.5s. docs/match.md of the source has more.")}},
			{Title: "What an expression decides", Blocks: []manual.Block{
				manual.Para(`A comparison with what a record does not have is false, whatever the operator: alert != close_notify
holds for alerts only, and not alert == close_notify for all other records too. Events of sockets, errors and dropped
DTLS records are shown unless the expression surely does not hold: port == 443 and len > 4k shows the sockets of port 443,
and event == record shows none. Losses are always shown.`),
			}},
			{Title: "Where it runs", Blocks: []manual.Block{
				manual.Para(`The kernel evaluates each part that a top-level and joins as early as it can. User space evaluates the
parts with words alone and with the fields marked (u), and ktlstop says so on standard error. User space also decides
payload and times of records that asynchronous crypto decrypted. The result is the same, but such a record takes room in
the ring. Without -s no plaintext of TLS leaves the kernel for payload; of DTLS the first 256 bytes of each record do,
and are not shown.`),
			}},
			{Title: "Examples", Blocks: []manual.Block{manual.Lines(filterExamples)}},
			{Title: "See also", Blocks: []manual.Block{manual.Para("ktlstop(1), ktlstop-trace(1), ktlstop-events(7), docs/match.md of the source")}},
		},
	}
}

// expressionBlocks describes the language of --match.
func expressionBlocks() []manual.Block {
	return []manual.Block{
		manual.Para("--match, --on and the dashboard's / take an expression over the fields of an event:"),
		manual.Items{
			{Term: "a and b, a && b, a b", Text: "both hold"},
			{Term: "a or b, a || b", Text: "one of them holds; and binds closer"},
			{Term: "not a, !a", Text: "a does not hold"},
			{Term: "( )", Text: "parentheses group"},
			{Term: "==, =, !=", Text: "compare any field; payload only as a slice"},
			{Term: "in (a, b), not in (a, b)", Text: "one of several values, or none of them"},
			{Term: "<, <=, >, >=", Text: "compare numbers, durations and version"},
			{Term: "contains", Text: "looks for text in names and payload"},
		},
		manual.Para(`Values are words or strings in double quotes, in which \", \\, \n, \r, \t, \0 and \xHH stand for one
byte. Numbers may be hexadecimal (0x1f) and have a suffix: 4k and 4KiB are 4096, 4kB is 4000.
Names and compared texts are case-sensitive; the words of the language and of fields such as type are not. A word or string
alone is looked for anywhere, without regard to case: in the names and numbers of the process, addresses, ports, cipher
and type.`),
		manual.Para(fmt.Sprintf(`An expression has at most %d bytes, %d values, %d nested parentheses or nots, and %d tests of the
payload. An error names the column.`, match.MaxLength, match.MaxValues, match.MaxDepth, match.MaxPayload)),
	}
}

var filterExamples = []string{
	"ktlstop trace --comm nginx --dir tx",
	"ktlstop trace --match 'dir == tx and len > 4k and port == 443'",
	"ktlstop trace --match 'type == alert and alert != close_notify'",
	"ktlstop trace --match 'errno == EBADMSG or event == rekey'",
	"ktlstop trace --match 'raddr in 192.0.2.0/24 and lat.total > 10ms'",
	"ktlstop trace --match 'call.records > 16 and call.time > 5ms'",
	"ktlstop trace -s 64 --match 'payload[0:4] in (\"GET \", \"POST\")'",
	"ktlstop --match 'comm in (nginx, haproxy) and not raddr in 10.0.0.0/8'",
	"ktlstop list --match 'version < 1.3 or cipher == AES-GCM-128'",
}

// filterItems describes the filter flags.
func filterItems() (items manual.Items) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(options).filterFlags(f)
	new(options).socketFilterFlags(f)
	for _, entry := range flagGroups[0].flags {
		items = append(items, flagItem(f, entry))
	}
	return items
}

// fieldItems describes the fields that sockets have, or those that only records have.
func fieldItems(ofSockets bool) (items manual.Items) {
	for _, field := range match.FieldsHelp() {
		if field.Sockets != ofSockets {
			continue
		}
		text := field.About
		if field.UserSpace {
			text += " (u)"
		}
		switch {
		case strings.HasPrefix(field.Values, "such as"):
			text += ", " + field.Values
		case field.Values != "":
			text += ": " + field.Values
		}
		items = append(items, manual.Item{Term: field.Name, Text: text})
	}
	return items
}
