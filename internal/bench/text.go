package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteText writes the table that ktlstop bench prints.
func (r *Result) WriteText(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "Linux %s, %s, %d CPU, %s\n", m.Kernel, m.CPU, m.CPUs, m.Go)
	for _, suite := range r.suites() {
		fmt.Fprintln(w, suite)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, strings.Join(header, "\t")+"\t")
	for i := range r.Cells {
		fmt.Fprintln(tw, strings.Join(r.Cells[i].columns(), "\t")+"\t")
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, line := range r.notes() {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// suites are the measured versions and ciphers, each once.
func (r *Result) suites() []string {
	sealed := slices.DeleteFunc(slices.Clone(r.Cells), func(c Cell) bool { return c.Version == "" })
	return distinct(sealed, func(c Cell) string { return c.Version + ", " + c.Cipher })
}

var header = []string{"SIZE", "WAY", "MiB/s", "CPU ms/MiB", "SYSCALLS/MiB", "SWITCHES/MiB", "MINSTR/MiB"}

// columns are the fields of header.
func (c *Cell) columns() []string {
	if c.Skipped != "" {
		return []string{Bytes(c.Size), c.Way, "-", "-", "-", "-", "-"}
	}
	return []string{Bytes(c.Size), c.Way, digits(c.Throughput()), digits(c.CPU()), c.count(c.Syscalls, 1),
		digits(c.PerMiB(float64(c.ContextSwitches))), c.count(c.Instructions, 1e6)}
}

func (c *Cell) count(n *uint64, unit float64) string {
	if n == nil {
		return "-"
	}
	return digits(c.PerMiB(float64(*n)) / unit)
}

// digits formats with three significant digits.
func digits(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// notes say why a column or a row is empty.
func (r *Result) notes() (lines []string) {
	for _, name := range []string{"syscalls", "instructions"} {
		if why, ok := r.Absent[name]; ok {
			lines = append(lines, name+": "+why)
		}
	}
	return append(lines, r.skippedNotes()...)
}

// skippedNotes list the ways that this machine lacks, and why.
func (r *Result) skippedNotes() (lines []string) {
	seen := map[string]bool{}
	for _, c := range r.Cells {
		if c.Skipped != "" && !seen[c.Way] {
			seen[c.Way] = true
			lines = append(lines, c.Way+": "+c.Skipped)
		}
	}
	return lines
}

var binaryUnits = []string{"B", "KiB", "MiB", "GiB", "TiB"}

// Bytes writes a size: 512B, 1KiB, 1.5MiB.
func Bytes(n int64) string {
	v, u := float64(n), 0
	for v >= 1024 && u < len(binaryUnits)-1 {
		v, u = v/1024, u+1
	}
	return strconv.FormatFloat(v, 'f', -1, 64) + binaryUnits[u]
}

// ParseBytes parses the output of Bytes, in capitals or not, and plain numbers.
func ParseBytes(s string) (int64, error) {
	for u := len(binaryUnits) - 1; u >= 0; u-- {
		name := strings.ToLower(binaryUnits[u])
		number, ok := strings.CutSuffix(strings.ToLower(s), name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		n := v * float64(int64(1)<<(10*u))
		if err != nil || n < 1 || n >= 1<<60 || n != float64(int64(n)) {
			break
		}
		return int64(n), nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("size %q: sizes are numbers of bytes or like 16KiB, 4MiB, 1GiB", s)
	}
	return n, nil
}
