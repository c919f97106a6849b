package source

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

const (
	// maxLine is more than the longest line that internal/sink writes: one with
	// 16384 bytes of payload in base64.
	maxLine = 1 << 20
	// maxCauses and maxWord bound what somebody who adds up the events keeps:
	// each cause of loss, and the words of each connection.
	maxCauses = 64
	maxWord   = 256
)

// ErrCut says that the last line has no end, as when the machine that recorded
// went down. What came before it is whole.
var ErrCut = errors.New("the last line is cut off; everything before it was read")

// Reader reads events of schema 1, in the order in which they were written.
// Lines of a type that it does not know, and fields, are left out: the schema
// only grows.
type Reader struct {
	scan      *bufio.Scanner
	line      int
	whole     bool // the current line has its newline
	begun     bool
	offset    int64 // of the first event
	latest    int64 // of the last
	tier      event.Tier
	tierKnown bool // tier is known
	hosts     bool // lines say which host they are of
	summed    bool // the last event is a summary, or, of several hosts, one of them was
	over      bool // all was read
	others    int  // lines of a type that it does not know
	causes    map[string]bool
}

// NewReader returns a Reader on r.
func NewReader(r io.Reader) *Reader {
	out := &Reader{scan: bufio.NewScanner(r), causes: map[string]bool{}}
	out.scan.Buffer(make([]byte, 64<<10), maxLine)
	out.scan.Split(out.split)
	return out
}

// split is bufio.ScanLines, and notes whether the line has an end.
func (r *Reader) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		r.whole = true
		return i + 1, data[:i], nil
	}
	if !atEOF || len(data) == 0 {
		return 0, nil, nil
	}
	r.whole = false
	return len(data), data, nil
}

// setTier notes a run's tier. All its records and its summary say the same; of
// several runs in one file the most is what the file holds.
func (r *Reader) setTier(name string) { r.tierKnown, r.tier = true, max(r.tier, tiers[name]) }

// Offset is what the first event's monotonic time lacks to its wall clock time, in
// nanoseconds. It is known after the first event.
func (r *Reader) Offset() int64 { return r.offset }

// Clock gives each event the wall clock time that it was recorded with, as long
// as it is asked about the event that was read last.
func (r *Reader) Clock() Clock { return Clock{r} }

// Clock is that of the event which its Reader read last.
type Clock struct{ r *Reader }

// Offset is the wall clock time of the last event minus its monotonic time, in
// nanoseconds.
func (c Clock) Offset(uint64) int64 { return c.r.latest }

// Tier says how much plaintext the run let out of the kernel, as far as it has
// been read.
func (r *Reader) Tier() event.Tier { return r.tier }

// Hosts says that events of several hosts have been read.
func (r *Reader) Hosts() bool { return r.hosts }

// Next returns the next event, which is the caller's to keep. At the end it
// returns io.EOF, or ErrCut where the last line is not whole. Other errors name
// the line.
func (r *Reader) Next() (event.Event, error) {
	for r.scan.Scan() {
		r.line++
		text := bytes.TrimSpace(r.scan.Bytes())
		if len(text) == 0 {
			continue
		}
		ev, err := r.decode(text)
		if err != nil && !r.whole && !json.Valid(text) {
			return nil, ErrCut
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", r.line, err)
		}
		if ev != nil {
			_, last := ev.(*event.Summary)
			r.summed = last || r.summed && r.hosts
			return ev, nil
		}
	}
	switch err := r.scan.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d: longer than %d bytes: no line of ktlstop trace -o json is", r.line+1, maxLine)
	case err != nil:
		return nil, fmt.Errorf("line %d: %w", r.line+1, err)
	}
	r.over = true
	return nil, io.EOF
}

// Unended says that the recording was read to its end and that no summary is there, which
// each run writes as its last: it was killed, or what it wrote was cut at the end of a line.
func (r *Reader) Unended() bool { return r.over && !r.summed }

// head is what every line has.
type head struct {
	V    int       `json:"v"`
	Type string    `json:"type"`
	TS   time.Time `json:"ts"`
	Mono *uint64   `json:"mono_ns"`
	Host string    `json:"host"`
}

// decode returns the event of a line, nil for a type that is not known.
func (r *Reader) decode(text []byte) (event.Event, error) {
	var h head
	if err := unmarshal(text, &h); err != nil {
		return nil, err
	}
	switch {
	case h.V == 0 || h.Type == "" || h.Mono == nil || h.TS.IsZero():
		return nil, errors.New("no event of ktlstop trace -o json: v, type, ts or mono_ns is missing")
	case h.V != 1:
		return nil, fmt.Errorf("version %d of the schema; this ktlstop reads version 1", h.V)
	}
	r.latest = h.TS.UnixNano() - int64(*h.Mono)
	if !r.begun {
		r.begun, r.offset = true, r.latest
	}
	ev, err := r.event(&h, text)
	if err != nil || ev == nil || h.Host == "" || h.Type == "host" {
		return ev, err
	}
	r.hosts = true
	n := Named{Host: h.Host, Number: numberOf(h.Host)}
	n.Rename(ev)
	return ev, checkWord("host", h.Host)
}

// numberOf makes a number of a host's name, so that no table of them is needed.
func numberOf(host string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(host))
	return h.Sum64()
}

// event returns the event of a line whose head is known.
func (r *Reader) event(h *head, text []byte) (event.Event, error) {
	switch h.Type {
	case "record":
		return r.record(text, false, *h.Mono)
	case "unsent":
		return r.record(text, true, *h.Mono)
	case "socket":
		return socket(text, *h.Mono)
	case "error":
		return failure(text, *h.Mono)
	case "dropped":
		return dropped(text, *h.Mono)
	case "lost":
		return r.lost(text, *h.Mono)
	case "trigger":
		return trigger(text, *h.Mono)
	case "summary":
		return r.summary(text, *h.Mono)
	case "host":
		return r.aboutHost(text, *h.Mono)
	}
	r.others++
	return nil, nil
}

// SkippedLines is how many lines of a type that it does not know it has read: those of requests
// that ktlstop inspect writes, and what a later version may tell.
func (r *Reader) SkippedLines() int { return r.others }

// unmarshal words encoding/json's errors for somebody who has the file at hand.
func unmarshal(text []byte, v any) error {
	err := json.Unmarshal(text, v)
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind):
		return fmt.Errorf("%s cannot be %s", cmp.Or(kind.Field, "an event"), kind.Value)
	case errors.As(err, &syntax):
		return fmt.Errorf("no JSON at byte %d: %w", syntax.Offset, err)
	}
	return err
}
