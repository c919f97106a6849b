package tui

import (
	"strconv"
	"strings"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// detailLines is the detail view of one connection.
func (m *Model) detailLines() []line {
	d := m.snap.Detail
	if d == nil || d.Row == nil || d.Row.Conn.ID != m.detail {
		return []line{text("  nothing is known of this connection yet")}
	}
	out := m.identity(d.Row)
	for dir := range d.Row.TLS {
		out = append(out, m.travel(d, event.Dir(dir)), m.protection(d.Row, event.Dir(dir)))
	}
	out = append(out, troubles(d.Row))
	if d.Held != nil {
		out = append(out, line{{"held ", title}, {strings.Join(d.Held.Describe(units.Duration), "; "), warn}})
	}
	if m.plaintext { // above the fold, so that the key shows what it does
		out = append(out, m.payloads(d)...)
	}
	for dir := range d.Lat {
		out = append(out, m.latencies(d, event.Dir(dir))...)
	}
	return append(out, m.lastRecords(d)...)
}

// identity returns the lines about the connection and its owner.
func (m *Model) identity(r *flow.Row) []line {
	b := appendOwner(nil, &r.Conn, &r.Proc)
	b = append(b, ' ', '(')
	b = append(appendPID(b, r.Proc.PID), ")  "...)
	b = appendEndpoint(b, r.Conn.LAddr, r.Conn.LPort)
	b = append(b, " > "...)
	b = appendEndpoint(b, r.Conn.RAddr, r.Conn.RPort)
	head := line{{string(b), title}}
	if r.Closed != 0 {
		head = append(head, span{"  closed", warn})
	}
	b = append(b[:0], "age "...)
	b = appendAge(b, r.Age(m.snap.Mono))
	b = appendLabel(b, "uid", uint64(r.Proc.UID))
	b = appendLabel(b, "cookie", r.Conn.Cookie)
	b = appendLabel(b, "netns", uint64(r.Conn.NetNS))
	b = appendLabel(b, "cgroup", r.Proc.CgroupID)
	at := r.Proc.In()
	b = appendPlaceLabel(b, "container", at.Container)
	b = appendPlaceLabel(b, "unit", at.Unit)
	b = appendPlaceLabel(b, "pod", podName(&at))
	b = appendPlaceLabel(b, "host", r.Conn.Host)
	return []line{head, text(string(b)), nil}
}

func appendPlaceLabel(b []byte, name, v string) []byte {
	if v == "" {
		return b
	}
	b = append(b, ", "+name+" "...)
	return safe.Append(b, v)
}

func appendLabel(b []byte, name string, v uint64) []byte {
	b = append(b, ", "+name+" "...)
	return strconv.AppendUint(b, v, 10)
}

// travel returns the totals of one direction, with its rates over the last snapshots.
func (m *Model) travel(d *flow.Detail, dir event.Dir) line {
	r := d.Row
	words := fit(units.Rate(r.Rate[dir].Records)+" rec/s", 13, false, "") +
		fit(units.Rate(r.Rate[dir].Bytes)+"B/s", 11, false, "") + totalText(&r.Totals, dir)
	room := m.width - 52
	return line{
		{dir.String() + "  ", title}, {fit(words, 47, false, m.glyphs.cut), plain},
		{m.glyphs.spark(d.Past[dir], room), accent},
	}
}

// protection returns how one direction is protected, and how much of its key's limit is used.
func (m *Model) protection(r *flow.Row, dir event.Dir) line {
	t := r.TLS[dir]
	if t.Mode == event.ModeNone {
		return line{{"    not protected by the kernel", faint}}
	}
	name := "TLS " + t.Version.String()
	if t.Version.IsDTLS() {
		name = t.Version.String()
	}
	words := []string{"    " + name, t.Cipher.String(), t.Mode.String()}
	if t.ZeroCopy {
		words = append(words, "zero-copy")
	}
	if t.NoPad {
		words = append(words, "no-pad")
	}
	if r.Drivers != nil && r.Drivers[dir].Name != "" {
		d := &r.Drivers[dir]
		words = append(words, "by", safe.String(d.Name))
		if d.Async {
			words = append(words, "(asynchronous)")
		}
	}
	words = append(words, "key "+strconv.Itoa(int(r.Gen[dir])+1)+":", units.Count(r.KeyRecords[dir]), "records")
	if limited(t.Cipher) {
		words = append(words, "of", units.Count(keyLimit))
	}
	return text(strings.Join(words, " "))
}

func troubles(r *flow.Row) line {
	out := line{
		{"errors " + units.Count(r.Errors), countTone(r.Errors, bad)}, {", ", plain},
		{"lost " + units.Count(r.Lost), countTone(r.Lost, bad)},
		{", control records " + units.Count(r.Control), plain},
	}
	if max(r.TLS[event.TX].Version, r.TLS[event.RX].Version).IsDTLS() {
		out = append(out, span{", ", plain}, span{"dropped " + units.Count(r.Dropped), countTone(r.Dropped, warn)})
	}
	return out
}

// latencies are the histograms of one direction, as many side by side as fit.
func (m *Model) latencies(d *flow.Detail, dir event.Dir) []line {
	h := &d.Lat[dir]
	if h.Total.Count() == 0 {
		return nil
	}
	what := [2]string{"sent", "received"}[dir]
	out := []line{nil, {{"latency of records " + what, title}, {bound(&h.Total), faint}}}
	width, n := spread(m.width, 5)
	pictures := [][]line{m.histogram("total", accent, &h.Total, width, units.Duration)}
	for i, name := range flow.StageNames[dir] {
		if h.Stage != nil && h.Stage[i].Count() > 0 {
			pictures = append(pictures, m.histogram(name, stageTones[i], &h.Stage[i], width, units.Duration))
		}
	}
	if s := &d.Size[dir]; s.Count() > 0 {
		pictures = append(pictures, m.histogram("bytes", accent, s, width, units.Count))
	}
	return append(out, rows(pictures, n, width)...)
}

func bound(h *flow.Hist) string {
	if h.Coarse() {
		return "  (percentiles within a factor of 2; stages of 64 records, then of 1 in 8)"
	}
	return "  (percentiles within 12.5 %)"
}

// lastRecords are the latest of the connection.
func (m *Model) lastRecords(d *flow.Detail) []line {
	if len(d.Records) == 0 {
		return nil
	}
	t := newRecords()
	t.rows, t.cursor = pointers(d.Records), -1
	t.top = max(0, len(t.rows)-20)
	out := []line{nil, {{"last records", title}}, t.head(m.width, m.env())}
	return append(out, t.body(m.width, 20, m.env())...)
}
