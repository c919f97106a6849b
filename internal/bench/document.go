package bench

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// Section is one part of docs/bench.md, made from its part of docs/bench.json.
type Section struct {
	Name string // the key in docs/bench.json
	// Render returns the Markdown, from its heading on, and the files that it
	// shows, by their names below docs.
	Render func(data json.RawMessage) (markdown string, files map[string][]byte, err error)
}

const documentHead = `# Measurements

Written by ` + "`make bench`" + ` from [bench.json](bench.json): do not edit. Stock Debian kernels run under QEMU with
` + "`-accel tcg,thread=single -smp 1 -icount shift=0,sleep=off`" + `, where one nanosecond of guest time is one instruction of the
guest. So a millisecond below is a million instructions of one processor, in user space and kernel together, and a figure
does not depend on the machine that emulates. Instructions are not time: what a real processor gains by wide AES units,
or loses to cache misses, memory bandwidth and interrupts, is not in them.
`

// Document returns the files below docs that data, the parsed docs/bench.json,
// makes: bench.md and what it shows. Sections without data are left out.
func Document(sections []Section, data map[string]json.RawMessage) (map[string][]byte, error) {
	var text strings.Builder
	text.WriteString(documentHead)
	all := map[string][]byte{}
	for _, s := range sections {
		part, ok := data[s.Name]
		if !ok {
			continue
		}
		markdown, files, err := s.Render(part)
		if err != nil {
			return nil, fmt.Errorf("section %s: %w", s.Name, err)
		}
		text.WriteString("\n" + strings.TrimSpace(markdown) + "\n")
		maps.Copy(all, files)
	}
	all["bench.md"] = []byte(text.String())
	return all, nil
}
