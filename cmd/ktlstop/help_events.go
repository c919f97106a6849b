package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/docs/schema"
	"github.com/ktlstop/ktlstop/internal/manual"
)

// property is a field as JSON Schema describes it.
type property struct {
	Description string
	Ref         string `json:"$ref"`
	Properties  properties
	Items       *property
}

// field is a property and its name.
type field struct {
	name string
	property
}

// properties are fields in the order of the schema, which a map would lose.
type properties []field

// UnmarshalJSON implements json.Unmarshaler.
func (p *properties) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil { // {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		next := field{name: name.(string)}
		if err := d.Decode(&next.property); err != nil {
			return err
		}
		*p = append(*p, next)
	}
	return nil
}

// eventSchema is the schema of the lines of -o json. Defs has an entry for each type of
// line and for each object that several types share.
type eventSchema struct {
	Properties properties
	Defs       properties `json:"$defs"`
}

func (s *eventSchema) def(name string) *property {
	for i := range s.Defs {
		if s.Defs[i].name == name {
			return &s.Defs[i].property
		}
	}
	return &property{}
}

// Fields that the page describes once for all types.
var (
	lineFields    = []string{"v", "type", "ts", "mono_ns"}
	processFields = []string{"pid", "tid", "comm", "uid", "cgroup_id", "container", "unit", "k8s"}
	// sharedFields have a definition of their own in the schema.
	sharedFields = []string{"dir", "sock", "kernel_user", "tls", "tier"}
)

// parts are the shared objects, and the titles of their sections.
var parts = []struct{ name, title string }{
	{"sock", "In sock"}, {"tls", "In tls"}, {"side", "In tx and rx of a socket"},
	{"lat_tx", "In lat_ns of a record sent"}, {"lat_rx", "In lat_ns of a record received"},
}

// unsent is a type that the schema describes with records.
const unsent = "unsent"

// lineTypes are the types of lines, in the order of the manual.
var lineTypes = []string{"record", "socket", "error", "dropped", "lost", "summary", "trigger", "host", "http", "message", "note"}

func readSchema() *eventSchema {
	s := new(eventSchema)
	if err := json.Unmarshal(schema.EventV1, s); err != nil {
		panic(fmt.Sprintf("the schema of events that is part of the program: %v", err)) // its tests have read it
	}
	return s
}

// typePage is the text of help events TYPE.
func typePage(name string) *manual.Page {
	s := readSchema()
	if name == unsent {
		name = "record"
	}
	return &manual.Page{About: []manual.Block{manual.Para(s.def(name).Description)}, Sections: []manual.Section{
		{Title: "Fields of " + name, Blocks: s.typeBlocks(s.def(name))},
		{Title: "See also", Blocks: []manual.Block{manual.Para("ktlstop help events, for the fields that several types share")}},
	}}
}

// eventsPage is the page of help events. It is made from the schema.
func eventsPage() *manual.Page {
	s := readSchema()
	page := &manual.Page{
		Name: "ktlstop-events", Section: 7, Short: "the events of ktlstop in JSON, and their fields",
		About: []manual.Block{
			manual.Para(`ktlstop trace -o json, inspect -o json, list -o json, flight recorders and the feed /v1/events of ktlstop serve
write one JSON object a line (JSON Lines, in UTF-8). Each line has a type, and the fields of that type. Names are stable:
versions of ktlstop add fields, so skip those that you do not know. What is unknown is empty or 0. The snapshots of
ktlstop -o json have another form.`), s.types()},
		Sections: s.shared(),
	}
	for _, name := range lineTypes {
		page.Sections = append(page.Sections, manual.Section{Title: "Type " + name, Blocks: s.typeBlocks(s.def(name))})
	}
	page.Sections = append(page.Sections,
		manual.Section{Title: "Examples", Blocks: []manual.Block{manual.Lines(eventExamples)}},
		manual.Section{Title: "See also", Blocks: []manual.Block{manual.Para(
			"ktlstop-trace(1), ktlstop-inspect(1), ktlstop-filters(7), jq(1); docs/events.md and docs/schema/event-v1.json of the source")}})
	return page
}

// types describes each type of line.
func (s *eventSchema) types() (items manual.Items) {
	for _, name := range lineTypes {
		items = append(items, manual.Item{Term: name, Text: s.def(name).Description})
		if name == "record" {
			items = append(items, manual.Item{Term: unsent, Text: "A record that the kernel encrypted and freed before TCP had all of it, with the fields of a record."})
		}
	}
	return items
}

// shared describes the fields that several types have.
func (s *eventSchema) shared() []manual.Section {
	record, line := s.def("record"), &property{Properties: s.Properties}
	sections := []manual.Section{
		{Title: "Every line", Blocks: s.items(slices.Concat(s.only(record, lineFields), s.only(line, []string{"host"})))},
		{Title: "The process", Blocks: s.items(s.only(record, processFields))},
		{Title: "Shared fields", Blocks: s.items(s.only(record, sharedFields))},
	}
	for _, part := range parts {
		sections = append(sections, manual.Section{Title: part.title, Blocks: s.items(s.def(part.name).Properties)})
	}
	return sections
}

var eventExamples = []string{
	"ktlstop trace -o json | jq -c 'select(.type == \"error\") | {comm, errno, func}'",
	"ktlstop trace -o json | jq -c 'select(.alert) | [.dir, .alert.description]'",
	"ktlstop list -o json | jq -c '[.comm, .sock.raddr, .tx.cipher, .tx.mode]'",
	"ktlstop inspect -o json | jq -c 'select(.type == \"http\") | .request.path'",
}

// only returns the fields of p with these names.
func (*eventSchema) only(p *property, names []string) (some properties) {
	for _, f := range p.Properties {
		if slices.Contains(names, f.name) {
			some = append(some, f)
		}
	}
	return some
}

// typeBlocks describes the fields that a type does not share, and names those that it does.
func (s *eventSchema) typeBlocks(p *property) []manual.Block {
	var own properties
	var process, shared []string
	for _, f := range p.Properties {
		switch {
		case slices.Contains(processFields, f.name):
			process = []string{"those of the process"}
		case slices.Contains(sharedFields, f.name) && f.Ref != "":
			shared = append(shared, f.name)
		case !slices.Contains(lineFields, f.name):
			own = append(own, f)
		}
	}
	blocks := s.items(own)
	if shared = append(process, shared...); shared != nil {
		blocks = append(blocks, manual.Para("Shared fields: "+strings.Join(shared, ", ")+"."))
	}
	return blocks
}

func (s *eventSchema) items(fields properties) []manual.Block {
	var items manual.Items
	s.add(&items, "", fields)
	return []manual.Block{items}
}

// add appends fields and the fields of their objects, such as call.records.
func (s *eventSchema) add(items *manual.Items, prefix string, fields properties) {
	for _, f := range fields {
		name := prefix + f.name
		def := s.def(f.Ref[strings.LastIndexByte(f.Ref, '/')+1:])
		switch {
		case f.Ref == "":
			*items = append(*items, manual.Item{Term: name, Text: f.Description})
			s.add(items, name+".", f.Properties)
			if f.Items != nil {
				s.add(items, name+"[].", f.Items.Properties)
			}
		case strings.HasPrefix(f.Ref, "#/$defs/") && !strings.Contains(f.Ref, "/properties/"):
			*items = append(*items, manual.Item{Term: name, Text: def.Description})
			if !isPart(f.Ref) {
				s.add(items, name+".", def.Properties)
			}
		default: // a reference to a field of the same type
			*items = append(*items, manual.Item{Term: name, Text: "as " + f.name + " above"})
		}
	}
}

// isPart says whether a reference is to a part that has its own section.
func isPart(ref string) bool {
	for _, part := range parts {
		if strings.HasSuffix(ref, "/"+part.name) {
			return true
		}
	}
	return false
}
