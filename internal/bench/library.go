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

var libraryTemplate = template.Must(template.New("library").Funcs(template.FuncMap{"join": strings.Join}).Parse(libraryText))

// Library is the section about ktlstop bench's own result, measured in
// instruction-counting mode.
var Library = Section{Name: "library", Render: renderLibrary}

func renderLibrary(data json.RawMessage) (string, map[string][]byte, error) {
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
	err := libraryTemplate.Execute(&b, struct {
		*Result
		TLS   *Cell
		Rows  [][]string
		Notes []string
	}{&r, r.anyTLS(), rows, r.skippedNotes()})
	return b.String(), map[string][]byte{"bench-library.svg": r.SVG()}, err
}

func (c *Cell) libraryRow() []string {
	if c.Skipped != "" {
		return []string{Bytes(c.Size), c.Way, "", "", "", "", ""}
	}
	return []string{Bytes(c.Size), c.Way, digits(c.WallPerMiB()), fmt.Sprintf("%.1f %%", 100*c.Spread), c.count(c.Syscalls, 1),
		digits(c.PerMiB(float64(c.ContextSwitches))), digits(c.Throughput())}
}
