package sink

import (
	"bytes"
	"strconv"
	"time"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// TextConfig says how Text writes.
type TextConfig struct {
	// Clock tells the time of events; with nil it is that since the machine's
	// start.
	Clock Clock
	// Location is where the clock hangs; UTC if nil.
	Location *time.Location
	// Width is how many columns the terminal has, 0 where nobody counts them. Below
	// roomy names are short, and records do without a column. Ports and addresses are
	// always whole, and a line may be longer for it.
	Width int
	// Wide writes everything that is known of a record, however long.
	Wide bool
	// Body, if not nil, appends whole lines with a record's payload, instead of
	// the hex dump. They must be fit for a terminal.
	Body func(dst []byte, r *event.Record) []byte
	// NoHeader leaves out the line of column names.
	NoHeader bool
	// Costs lists what each program took at the end, instead of one line of all.
	Costs bool
	// Afar says that the programs run on another host, and that nothing is known of
	// their cost.
	Afar bool
	// Hosts puts the host before every line, for an output that lines of several share.
	Hosts bool

	log bool // of NewLog
}

// Text writes one readable line for each event, under a line of column names.
// Nothing that others chose reaches the terminal unsanitised. It is not safe for
// concurrent use.
type Text struct{ lines }

// NewText returns a Text sink on q.
func NewText(q *Queue, cfg TextConfig) *Text {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Clock == nil {
		cfg.Clock = FixedClock(0)
	}
	clock := stamp{clock: cfg.Clock, layout: "15:04:05"}
	p := &printer{cfg: cfg, clock: clock, headed: cfg.NoHeader, wComm: 15, roomy: cfg.Width == 0 || cfg.Width >= roomy}
	if !p.roomy {
		p.wComm = 7
	}
	return &Text{newLines(q, p)}
}

// printer spells events for people.
type printer struct {
	cfg     TextConfig
	clock   stamp
	headed  bool
	wComm   int  // columns of a task's name
	roomy   bool // all columns fit
	dst     []byte
	hostBuf []byte // lines that get a host before them
}

// roomy is how many columns the short lines take with longer names and all columns,
// where addresses are IPv4.
const roomy = 102

// Widths of the columns of a record. Behind them is the connection.
const (
	wPID, wDir, wType, wSeq, wLen, wOp, wLat = 6, 2, 4, 5, 5, 8, 6
)

const (
	header       = "TIME         COMM               PID DR TYPE   SEQ   LEN OP          LAT LOCAL > PEER\n"
	narrowHeader = "TIME         COMM       PID DR TYPE   SEQ   LEN    LAT LOCAL > PEER\n"
	wideHeader   = "TIME               COMM                 PID     TID DR TYPE                        SEQ GEN   LEN OP          " +
		"TOTAL  Q/WAIT   CRYPT P/DELIV TLS\n"
)

// AppendEvent implements appender.
func (p *printer) AppendEvent(dst []byte, ev event.Event) []byte {
	if !p.cfg.Hosts {
		return p.append(dst, ev)
	}
	p.hostBuf = p.append(p.hostBuf[:0], ev)
	for line := range bytes.Lines(p.hostBuf) {
		dst = append(p.appendHost(dst, event.HostOf(ev)), line...)
	}
	return dst
}

func (p *printer) append(dst []byte, ev event.Event) []byte {
	p.dst = dst
	p.head(ev)
	switch ev := ev.(type) {
	case *event.Record:
		p.record(ev)
	case *event.Socket:
		p.socket(ev)
	case *event.Error:
		p.error(ev)
	case *event.Drop:
		p.dropped(ev)
	case *event.Lost:
		p.lost(ev)
	case *event.Trigger:
		p.trigger(ev)
	case *event.Summary:
		p.summary(ev)
	case *event.Host:
		p.aboutHost(ev)
	case *finding.HTTP:
		p.http(ev)
	case *finding.Exchange:
		p.exchange(ev)
	case *finding.Note:
		p.note(ev)
	}
	dst, p.dst = p.dst, nil
	return dst
}

// head writes the column names before the first line that has columns.
func (p *printer) head(ev event.Event) {
	switch ev.(type) {
	case *event.Summary, *event.Host: // have no columns
		return
	}
	if p.headed {
		return
	}
	p.headed = true
	switch {
	case p.cfg.log:
		p.str(logHeader)
	case p.cfg.Wide:
		p.str(wideHeader)
	case p.roomy:
		p.str(header)
	default:
		p.str(narrowHeader)
	}
}

func (p *printer) record(r *event.Record) {
	if p.cfg.Wide {
		p.wideRecord(r)
	} else {
		p.shortRecord(r)
	}
	if p.cfg.Body != nil {
		p.dst = p.cfg.Body(p.dst, r)
		return
	}
	for off := 0; off < len(r.Payload); off += safe.RowBytes {
		p.str("    ")
		p.dst = safe.AppendHexRow(p.dst, off, r.Payload[off:])
		p.end()
	}
}

func (p *printer) shortRecord(r *event.Record) {
	p.lead(r.Mono, &r.Conn, &r.Proc, r.Dir.String())
	p.ascii(typeName(r.Type), wType)
	p.seq(r, wSeq)
	p.right(uint64(r.Len), wLen)
	if p.roomy {
		p.ascii(shortOp(r.Op), wOp)
	}
	p.duration(r.Lat.Total, wLat)
	p.weight(r)
	p.unsent(r)
	p.conn(&r.Conn)
	p.end()
	p.control(r)
}

func (p *printer) seq(r *event.Record, width int) {
	at := len(p.dst)
	p.dst = r.AppendSeq(p.dst)
	p.alignRight(at, width)
}

// weight writes how many records this one stands for, if it is not alone.
func (p *printer) weight(r *event.Record) {
	if r.Skipped == 0 {
		return
	}
	p.str("x")
	p.num(r.Weight())
	p.str(" ")
}

// unsent says that a record never left.
func (p *printer) unsent(r *event.Record) {
	if !r.Unsent {
		return
	}
	p.str("NOT SENT ")
	if r.Errno != 0 {
		p.str(event.ErrnoName(r.Errno))
		p.str(" ")
	}
}

// lead writes how a line begins; dir is empty where it is about both directions.
func (p *printer) lead(mono uint64, c *event.Conn, proc *event.Process, dir string) {
	p.clockTo(mono, 3)
	p.owner(c, proc, p.wComm)
	p.right(uint64(proc.PID), wPID)
	p.ascii(dir, wDir)
}

func (p *printer) clockTo(mono uint64, digits int) {
	p.dst = p.clock.append(p.dst, mono, digits, p.cfg.Location)
	p.str(" ")
}

// control writes what an alert or a handshake record says on a line of its own.
func (p *printer) control(r *event.Record) {
	switch {
	case r.Control == nil:
		return
	case r.Type == event.Alert:
		p.str("             alert ")
		p.str(event.AlertLevel(r.Control.AlertLevel))
		p.str(" ")
		p.str(event.AlertDescription(r.Control.AlertDescription))
	default:
		p.str("             handshake ")
		p.str(r.Control.MessageNames())
	}
	p.end()
}

// typeName is a content type in four columns.
func typeName(t event.ContentType) string {
	switch t {
	case event.ChangeCipherSpec:
		return "ccs"
	case event.Alert:
		return "alrt"
	case event.Handshake:
		return "hshk"
	case event.ApplicationData:
		return "data"
	}
	return "t" + strconv.Itoa(int(t))
}

// shortOp cuts the operations that are longer than their column.
func shortOp(o event.Op) string {
	switch o {
	case event.OpSpliceRead:
		return "splice"
	case event.OpReadSock:
		return "readsock"
	case event.OpUringSend, event.OpUringRecv: // the direction tells them apart
		return "uring"
	case event.OpNone:
		return "-"
	}
	return o.String()
}

// duration writes a time, right aligned, a dash where it was not seen.
func (p *printer) duration(ns uint64, width int) {
	if ns == 0 {
		p.pad(width - 1)
		p.str("- ")
		return
	}
	at := len(p.dst)
	p.dst = units.AppendDuration(p.dst, ns)
	p.alignRight(at, width)
}
