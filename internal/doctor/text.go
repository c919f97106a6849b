package doctor

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/ktlstop/ktlstop/internal/safe"
)

// WriteText writes the report for people: the host in a line, findings from the worst
// on, tables of processes and connections, and what could not be examined. width is the
// width of the terminal, 0 for output without one; addresses are never cut.
func (r *Report) WriteText(w io.Writer, width int) error {
	t := NewPage(width)
	t.Wrap(r.Facts.Host.line(), "")
	for i := range r.Findings {
		t.finding(&r.Findings[i])
	}
	t.Table([]string{"PROCESS", "LIBRARY", "CONFIGURATION"}, r.processRows())
	t.Table([]string{"CONNECTION", "PROCESS", "TLS", "TX", "RX", "WHY"}, r.connectionRows())
	for _, n := range r.Facts.NotSeen {
		t.Wrap("not looked at: "+n, "  ")
	}
	t.Wrap(r.verdict(), "")
	_, err := io.WriteString(w, t.String())
	return err
}

// Page is text for a terminal of a width, 0 for output without one.
type Page struct {
	strings.Builder
	width int
}

// NewPage returns an empty one.
func NewPage(width int) *Page { return &Page{width: width} }

// Wrap writes a paragraph; lines after the first begin with indent.
func (t *Page) Wrap(s, indent string) {
	s = safe.String(s)
	if t.width <= 0 {
		t.WriteString(s + "\n")
		return
	}
	room := max(t.width, len(indent)+20)
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case runewidth.StringWidth(line)+1+runewidth.StringWidth(word) <= room:
			line += " " + word
		default:
			t.WriteString(line + "\n")
			line = indent + word
		}
	}
	t.WriteString(line + "\n")
}

func (t *Page) finding(f *Finding) {
	t.Wrap(fmt.Sprintf("%s %s %s: %s%s", f.Level, f.ID, f.Subject(), f.Says, f.of()), "        ")
	do := "        do: " + f.Do
	if t.width <= 0 {
		t.WriteString(safe.String(do) + "\n")
		return
	}
	inner := NewPage(max(20, t.width-12))
	inner.Wrap(f.Do, "")
	for i, l := range strings.Split(strings.TrimSuffix(inner.String(), "\n"), "\n") {
		t.WriteString([]string{"        do: ", "            "}[min(i, 1)] + l + "\n")
	}
}

// of names the connections, or says how many more of the kind there are.
func (f *Finding) of() string {
	switch {
	case f.Connection != nil && f.Connections > 1:
		return fmt.Sprintf(" (%s and %d more)", f.Connection, f.Connections-1)
	case f.Connection != nil:
		return fmt.Sprintf(" (%s)", f.Connection)
	case f.Processes > 1:
		return fmt.Sprintf(" (and %d more of that name)", f.Processes-1)
	}
	return ""
}

// String formats as 127.0.0.1:443 > 127.0.0.1:5050.
func (e *Ends) String() string {
	if !e.Local.IsValid() && !e.Remote.IsValid() {
		return "not connected"
	}
	if e.Remote.Port() == 0 {
		return "not connected, local " + e.Local.String()
	}
	return e.Local.String() + " > " + e.Remote.String()
}

// Table writes rows of cells, which others may have written. Only the last cell of a
// row is cut. If the other cells leave it no room, the first gets a line of its own.
func (t *Page) Table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	cells := append([][]string{head}, rows...)
	widths := make([]int, len(head))
	for _, row := range cells {
		for i := range row {
			row[i] = safe.String(row[i])
			widths[i] = max(widths[i], runewidth.StringWidth(row[i]))
		}
	}
	last := len(widths) - 1
	fixed := 0
	for _, n := range widths[:last] {
		fixed += n + len(gap)
	}
	t.WriteString("\n")
	for _, row := range cells {
		line := ""
		if t.width > 0 && fixed+min(widths[last], minLast) > t.width {
			t.WriteString(row[0] + "\n")
			line = gap
		} else {
			line = runewidth.FillRight(row[0], widths[0]) + gap
		}
		for i, cell := range row[1:last] {
			line += runewidth.FillRight(cell, widths[i+1]) + gap
		}
		if room := t.width - runewidth.StringWidth(line); t.width > 0 {
			row[last] = runewidth.Truncate(row[last], max(room, minLast), "…")
		}
		t.WriteString(strings.TrimRight(line+row[last], " ") + "\n")
	}
}

const (
	gap     = "  "
	minLast = 8 // columns of the last cell
)

func (r *Report) processRows() (rows [][]string) {
	for i := range r.Facts.Processes {
		p := &r.Facts.Processes[i]
		var libraries []string
		for j := range p.Libraries {
			libraries = append(libraries, p.Libraries[j].title())
		}
		rows = append(rows, []string{fmt.Sprintf("%s[%d]", p.Comm, p.PID), cmp.Or(strings.Join(libraries, ", "), p.whyNone(), "no TLS library found"), p.configuration()})
	}
	return rows
}

// whyNone is why no library was found, if the reason is not that there is none.
func (p *Process) whyNone() string {
	if p.Unread == "" {
		return ""
	}
	return "not looked at: " + p.Unread
}

func (p *Process) configuration() string {
	var parts []string
	add := func(s *Setting) {
		switch {
		case s == nil:
		case s.File == "" && s == p.OpenSSL:
			parts = append(parts, "OPENSSL_CONF is empty")
		case s.Unread != "":
			parts = append(parts, fmt.Sprintf("%s (%s)", s.File, s.Unread))
		default:
			parts = append(parts, s.File+[...]string{"", ": ktls off", ": ktls on"}[int(s.KTLS)%3])
		}
	}
	if p.Server != nil {
		add(&p.Server.Setting)
	}
	add(p.OpenSSL)
	add(p.GnuTLS)
	return strings.Join(parts, ", ")
}

func (r *Report) connectionRows() (rows [][]string) {
	for _, c := range r.Connections {
		owner := "-"
		if c.PID != 0 {
			owner = fmt.Sprintf("%s[%d]", c.Comm, c.PID)
		}
		tls := strings.TrimSpace(c.TLSVersion().String() + " " + c.CipherName())
		rows = append(rows, []string{c.Ends.String(), owner, cmp.Or(tls, "-"), c.word(&c.TX), c.word(&c.RX), cmp.Or(strings.Join(c.Why, " "), "-")})
	}
	return rows
}

// word is the mode of a direction, or the answer to its request.
func (c *Connection) word(d *Direction) string {
	switch {
	case c.unknown(d):
		return "?"
	case d.On():
		return d.Mode.String()
	case d.Errno != 0:
		return errnoName(d.Errno)
	}
	return "-"
}

func (h *Host) line() string {
	parts := []string{"Linux " + cmp.Or(h.Kernel, "of an unknown version") + ": module tls " + h.TLS.String()}
	for _, c := range h.Ciphers {
		parts = append(parts, c.Name+" "+c.State.String())
	}
	var tx, rx uint64
	for _, n := range h.Namespaces {
		tx += n.Stat["TlsCurrTxSw"] + n.Stat["TlsCurrTxDevice"]
		rx += n.Stat["TlsCurrRxSw"] + n.Stat["TlsCurrRxDevice"]
	}
	if h.TLS == Present && len(h.Namespaces) > 0 {
		parts = append(parts, "open now tx "+strconv.FormatUint(tx, 10)+", rx "+strconv.FormatUint(rx, 10))
	}
	for _, n := range h.NICs {
		if n.TX || n.RX {
			parts = append(parts, n.Name+" seals or opens by itself")
		}
	}
	return strings.Join(parts, "; ")
}

func (r *Report) verdict() string {
	count := map[Level]int{}
	for i := range r.Findings {
		count[r.Findings[i].Level]++
	}
	var parts []string
	for _, l := range []Level{Error, Warning, Note} {
		if n := count[l]; n > 0 {
			parts = append(parts, plural(n, l.String()))
		}
	}
	s := strings.Join(parts, ", ")
	if r.Well() {
		s = cmp.Or(s, "no findings")
		if len(r.Facts.NotSeen) > 0 {
			s += " in what could be read"
		}
	}
	if r.Facts.Watched > 0 {
		s += fmt.Sprintf("; watched for %.1fs: %s", r.Facts.Watched.Seconds(), plural(len(r.Connections), "connection"))
	}
	if len(r.Findings) == 0 {
		return s
	}
	return s + " (docs/doctor.md explains each)"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
