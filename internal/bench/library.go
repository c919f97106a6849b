package bench

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
)

//go:embed library.md.tmpl
var libraryText string

//go:embed datagrams.md.tmpl
var datagramsText string

// Library and Datagrams are the sections with ktlstop bench's own results, for streams
// and for datagrams, measured in instruction-counting mode. They are functions so that a
// program that does not call them links no templates: with templates the linker keeps
// each method that could be called by its name.
func Library() Section { return Section{Name: "library", Render: rendering("library", libraryText)} }

// Datagrams is the section of datagrams.
func Datagrams() Section {
	return Section{Name: "datagrams", Render: rendering("datagrams", datagramsText)}
}

// rendering fills a template, and draws the plot that it shows.
func rendering(name, text string) func(json.RawMessage) (string, map[string][]byte, error) {
	t := template.Must(template.New(name).Funcs(template.FuncMap{"join": strings.Join}).Parse(text))
	return func(data json.RawMessage) (string, map[string][]byte, error) {
		var r Result
		if err := json.Unmarshal(data, &r); err != nil {
			return "", nil, err
		}
		if len(r.Cells) == 0 {
			return "", nil, fmt.Errorf("it holds no measurement")
		}
		var rows [][]string
		for i := range r.Cells {
			rows = append(rows, r.Cells[i].libraryRow())
		}
		var b bytes.Buffer
		err := t.Execute(&b, struct {
			*Result
			Suites, Notes []string
			Rows          [][]string
		}{&r, r.suites(), r.skippedNotes(), rows})
		return b.String(), map[string][]byte{"bench-" + name + ".svg": r.SVG()}, err
	}
}

func (c *Cell) libraryRow() []string {
	if c.Skipped != "" {
		return []string{Bytes(c.Size), c.Way, "", "", "", "", ""}
	}
	return []string{Bytes(c.Size), c.Way, digits(c.WallPerMiB()), fmt.Sprintf("%.1f %%", 100*c.Spread), c.count(c.Syscalls, 1),
		digits(c.PerMiB(float64(c.ContextSwitches))), digits(c.Throughput())}
}
