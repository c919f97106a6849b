package sink

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func (p *printer) socket(s *event.Socket) {
	dir := ""
	if s.State.HasDir() {
		dir = s.Dir.String()
	}
	p.lead(s.Mono, &s.Conn, &s.Proc, dir)
	if s.State != event.SocketAwaitsKey && s.State != event.SocketCard {
		p.str(s.State.String())
	}
	switch s.State {
	case event.SocketClose:
		p.total(" tx ", s.Totals.Records[event.TX], s.Totals.Bytes[event.TX])
		p.total(" rx ", s.Totals.Records[event.RX], s.Totals.Bytes[event.RX])
		if n := s.Totals.Sampled[event.TX] + s.Totals.Sampled[event.RX]; n > 0 {
			p.str(" sampled out ")
			p.num(n)
		}
		p.ending(s)
		if s.UnsentBytes > 0 {
			p.str(", ")
			p.num(s.UnsentBytes)
			p.str(" B of an open record never sent")
		}
	case event.SocketFound:
		p.both(s)
	case event.SocketAwaitsKey:
		p.str("waits for a new key: the peer has changed its own")
	case event.SocketCard:
		p.str(s.Offload.Describe())
	default:
		t := [2]*event.TLS{&s.TX, &s.RX}[s.Dir&1]
		p.params(" ", t)
		p.str(" gen ")
		p.num(uint64([2]uint32{s.GenTX, s.GenRX}[s.Dir&1]))
		if d := &s.Drivers[s.Dir&1]; d.Async {
			p.str(" asynchronous (" + Sanitize(d.Name) + ")")
		}
		if s.AwaitsKey && s.AwaitsKeyFor > 0 {
			p.str(" after ")
			p.str(units.Duration(s.AwaitsKeyFor))
			p.str(" without one")
		}
	}
	p.str(" ")
	p.conn(&s.Conn)
	if p.cfg.Wide {
		p.place(s.Proc.Place)
	}
	p.end()
	if s.State == event.SocketFound && (s.Held != nil || s.AwaitsKey) {
		p.held(s)
	}
	p.hint(s.Hint)
}

// held writes what a connection holds back on a line of its own.
func (p *printer) held(s *event.Socket) {
	h := s.Held
	if h == nil {
		h = new(event.Held)
	}
	h.AwaitsKey, h.AwaitsKeyFor = s.AwaitsKey, s.AwaitsKeyFor
	p.str("             ")
	p.str(strings.Join(h.Describe(units.Duration), "; "))
	p.end()
}

// ending writes how a connection ended, where that was not by this side.
func (p *printer) ending(s *event.Socket) {
	switch s.Ended {
	case event.EndedFIN:
		p.str(", by the peer")
	case event.EndedReset:
		p.str(", reset by the peer")
	case event.EndedTimeout:
		p.str(", the peer did not answer")
	case event.EndedError:
		p.str(", after an error")
	}
	if s.Ended == event.EndedFIN && s.CloseNotify[event.RX] == event.No {
		p.str(" without close_notify")
	}
	if s.Truncated > 0 {
		p.str(", truncated: ")
		p.num(s.Truncated)
		p.str(" B of a record that never came whole")
	}
}

// both writes how the two directions are protected, once where it is the same.
func (p *printer) both(s *event.Socket) {
	if s.TX == s.RX {
		p.params(" tx+rx ", &s.TX)
		return
	}
	p.params(" tx ", &s.TX)
	p.params(" rx ", &s.RX)
}

// params writes how a direction is protected.
func (p *printer) params(before string, t *event.TLS) {
	p.str(before)
	if t.Mode == event.ModeNone {
		p.str("-")
		return
	}
	p.str(orDash(t.Version.String()))
	p.str(" ")
	p.str(orDash(t.Cipher.String()))
	p.str(" ")
	p.str(t.Mode.String())
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (p *printer) total(before string, records, bytes uint64) {
	p.str(before)
	p.dst = units.AppendCount(p.dst, records)
	p.str(" rec/")
	p.dst = units.AppendCount(p.dst, bytes)
	p.str("B")
}

func (p *printer) num(v uint64) { p.dst = strconv.AppendUint(p.dst, v, 10) }

// conn writes both ends, of the local one only the port where lines are short.
func (p *printer) conn(c *event.Conn) {
	if p.cfg.Wide {
		p.endpoint(c.LAddr, c.LPort)
	} else {
		p.str(":")
		p.num(uint64(c.LPort))
	}
	p.str(" > ")
	p.endpoint(c.RAddr, c.RPort)
}

func (p *printer) error(e *event.Error) {
	dir := ""
	if e.HasDir() {
		dir = e.Dir.String()
	}
	p.lead(e.Mono, &e.Conn, &e.Proc, dir)
	p.str("ERROR ")
	p.str(event.ErrnoName(e.Errno))
	p.str(" ")
	if e.Func != "" {
		p.str(Sanitize(e.Func))
		p.str(" ")
	}
	if e.Option != 0 {
		p.refused(e)
	} else {
		p.str("seq ")
		p.num(e.Seq)
	}
	if e.More > 0 {
		p.str(" x")
		p.num(1 + uint64(e.More))
	}
	if e.ProcIsOwner {
		p.str(" (in no call)")
	}
	p.str(" ")
	p.conn(&e.Conn)
	p.end()
	p.hint(e.Hint)
}

// dropped writes a record that nobody reads.
func (p *printer) dropped(d *event.Drop) {
	p.lead(d.Mono, &d.Conn, &d.Proc, event.RX.String())
	p.str("DROPPED ")
	p.str(d.Reason.String())
	p.str(" epoch ")
	p.num(uint64(d.Epoch))
	p.str(" seq ")
	p.num(d.Seq)
	if d.Count > 1 {
		p.str(" x")
		p.num(d.Count)
	}
	p.str(" ")
	p.conn(&d.Conn)
	p.end()
}

// trigger writes why the lines around it were kept.
func (p *printer) trigger(t *event.Trigger) {
	p.clockTo(t.Mono, 3)
	p.str("TRIGGER ")
	p.str(t.By.String())
	if t.Expr != "" {
		p.str(" ")
		p.str(Sanitize(t.Expr))
	}
	if t.Again > 0 {
		p.str(" x")
		p.num(1 + t.Again)
	}
	p.str(", ")
	p.str(units.Duration(t.Kept))
	p.str(" before it kept")
	p.end()
}

// hint writes a conclusion on a line of its own.
func (p *printer) hint(h *event.Hint) {
	if h == nil {
		return
	}
	p.str("             ")
	p.str(Sanitize(h.Text))
	p.end()
}

// refused writes what a socket did not get.
func (p *printer) refused(e *event.Error) {
	p.str(e.Option.String())
	for _, asked := range []string{e.TLS.Version.String(), e.TLS.Cipher.String()} {
		if asked != "" {
			p.str(" ")
			p.str(asked)
		}
	}
}

func (p *printer) lost(l *event.Lost) {
	p.clockTo(l.Mono, 3)
	p.str("LOST ")
	p.num(l.Count)
	p.str(" (")
	p.str(Sanitize(l.Cause))
	p.str(")")
	if l.Conn != nil || l.HasDir {
		p.str(" ")
		p.str(l.Dir.String())
	}
	if l.Conn != nil {
		p.str(" seq ")
		p.num(l.First)
		p.str("-")
		p.num(l.Last)
		p.str(" ")
		p.conn(l.Conn)
	}
	p.end()
}

// summary writes several lines, what matters most last: missing hooks, cost, what
// was given up, losses and totals.
func (p *printer) summary(s *event.Summary) {
	for _, hook := range s.Missing {
		p.str("not attached: ")
		p.str(Sanitize(hook))
		p.end()
	}
	p.costs(s)
	p.sampled(s)
	p.evictions(s)
	if s.Stopped != "" {
		p.str("stopped: ")
		p.str(Sanitize(s.Stopped))
		p.end()
	}
	p.losses(s.Lost)
	p.counted(s.Sockets, "connection")
	p.str(",")
	p.total(" tx ", s.Totals.Records[event.TX], s.Totals.Bytes[event.TX])
	p.total(", rx ", s.Totals.Records[event.RX], s.Totals.Bytes[event.RX])
	p.str(", ")
	p.counted(s.Errors, "error")
	if s.Dropped > 0 {
		p.str(", ")
		p.num(s.Dropped)
		p.str(" dropped")
	}
	p.str(" in ")
	p.dst = units.AppendDuration(p.dst, uint64(max(s.Duration, 0)))
	p.end()
}

// evictions writes what the run evicted for want of room, and the duplicates.
func (p *printer) evictions(s *event.Summary) {
	if s.Forgotten > 0 {
		p.str("not known: what ")
		p.counted(s.Forgotten, "connection")
		p.str(" lost, forgotten for want of room")
		p.end()
	}
	if s.Duplicates > 0 {
		p.str("reported twice: ")
		p.counted(s.Duplicates, "record")
		p.end()
	}
	if len(s.Evicted) > 0 {
		p.str("given up for want of room:")
		p.counts(s.Evicted)
		p.end()
	}
}

// sampled writes how many records sampling skipped, and how many no line represents.
func (p *printer) sampled(s *event.Summary) {
	out := &s.Totals.Sampled
	if out[event.TX]+out[event.RX] == 0 {
		return
	}
	p.str("sampled out: tx ")
	p.num(out[event.TX])
	p.str(", rx ")
	p.num(out[event.RX])
	p.str(" records; the lines' xN stand for all but ")
	p.num(s.Skipped[event.TX] + s.Skipped[event.RX])
	p.end()
}

func (p *printer) counted(n uint64, thing string) {
	p.num(n)
	p.str(" ")
	p.str(thing)
	if n != 1 {
		p.str("s")
	}
}

func (p *printer) losses(lost map[string]uint64) {
	p.str("lost:")
	if !p.counts(lost) {
		p.str(" nothing")
	}
	p.end()
}

// counts writes numbers by name, and reports whether there are any.
func (p *printer) counts(of map[string]uint64) (some bool) {
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if of[name] == 0 {
			continue
		}
		some = true
		p.str(" ")
		p.str(Sanitize(name))
		p.str(" ")
		p.num(of[name])
	}
	return some
}

// costs writes the run time of the programs and how often they were skipped: of each
// program on request, or of all in one line.
func (p *printer) costs(s *event.Summary) {
	var all event.ProgramCost
	for i := range s.Cost {
		c := &s.Cost[i]
		all.Nanos, all.Runs, all.Skipped = all.Nanos+c.Nanos, all.Runs+c.Runs, all.Skipped+c.Skipped
		if p.cfg.Costs {
			p.cost(c)
		}
	}
	p.skipped(s, all.Skipped)
	if p.cfg.Afar {
		return
	}
	if s.CostOver <= 0 {
		p.str("cost: not measured (--cost)")
		p.end()
		return
	}
	p.str("cost: ")
	p.counted(all.Runs, "run")
	p.str(" of BPF programs, ")
	p.dst = strconv.AppendFloat(p.dst, 100*float64(all.Nanos)/float64(s.CostOver.Nanoseconds()), 'f', 2, 64)
	p.str("% of a processor")
	p.end()
}

// skipped writes what skipped programs cost: a record that no hook has seen is a gap.
func (p *printer) skipped(s *event.Summary, runs uint64) {
	if runs == 0 {
		return
	}
	p.str("skipped by the kernel: at most ")
	p.counted(runs, "run")
	p.str(" of BPF programs; ")
	if slices.Max(append(slices.Collect(maps.Values(s.Lost)), 0)) > 0 {
		p.str("perhaps part of the loss")
	} else {
		p.str("no record is missing")
	}
	p.str("; times, bytes or errors may be unknown")
	p.end()
}

func (p *printer) cost(c *event.ProgramCost) {
	if c.Skipped+c.Runs == 0 {
		return
	}
	p.str("cost of ")
	p.str(Sanitize(c.Name))
	p.str(": ")
	if c.Runs > 0 {
		p.dst = units.AppendDuration(p.dst, c.Nanos/c.Runs)
		p.str(" a run, ")
		p.dst = units.AppendCount(p.dst, c.Runs)
		p.str(" runs")
	}
	if c.Skipped > 0 {
		p.str(", skipped at most ")
		p.num(c.Skipped)
	}
	p.end()
}
