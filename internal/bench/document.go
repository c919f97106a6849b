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
	// Render returns the Markdown, from its heading on, and the files that it refers
	// to, by their names below docs.
	Render func(data json.RawMessage) (markdown string, files map[string][]byte, err error)
}

const documentHead = `# Measurements

This page answers three questions. How much does tracing slow a program down? How much work does the tracer itself do? What
does kernel TLS cost, compared with TLS in user space?

` + "`make bench`" + ` writes this page from [bench.json](bench.json); do not edit it.

All figures but those of the tracer's user side count instructions. The measurements run on stock Debian kernels in QEMU, with
` + "`-accel tcg,thread=single -smp 1 -icount shift=0,sleep=off`" + `. With these options the guest's clock advances by one
nanosecond for each instruction that its one processor executes, in user space or in the kernel. One millisecond of guest time
is therefore one million instructions. The figures do not depend on the speed or the load of the machine that runs QEMU, so
anybody can repeat them.

Instructions are not time. On a real processor wide AES units make encryption cheap, cache misses and memory bandwidth make
copying expensive, and interrupts take time of their own. None of this shows here. Use the figures to compare ways of doing the
same work, not to predict the throughput of a server.
`

// Document returns the files below docs made from data, the parsed docs/bench.json:
// bench.md and the files it refers to. Sections without data are left out.
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
