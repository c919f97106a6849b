package source

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// The types here are the lines of docs/schema/event-v1.json; head holds what
// all have.

type recordLine struct {
	process
	connection
	TLS       side      `json:"tls"`
	Dir       string    `json:"dir"`
	Seq       uint64    `json:"seq"`
	Gen       uint32    `json:"gen"`
	Epoch     uint16    `json:"epoch"`
	Datagram  uint32    `json:"datagram"`
	Type      uint8     `json:"content_type_id"`
	Len       uint32    `json:"len"`
	Op        string    `json:"op"`
	Lat       latency   `json:"lat_ns"`
	Call      call      `json:"call"`
	Tier      string    `json:"tier"`
	Weight    uint64    `json:"weight"`
	Errno     uint32    `json:"errno_id"`
	Alert     *alert    `json:"alert"`
	Handshake *messages `json:"handshake"`
	Payload   *struct {
		Data []byte `json:"data"`
	} `json:"payload"`
}

type alert struct {
	Level       string `json:"level"`
	Description string `json:"description"`
}

type messages struct {
	Type      string   `json:"msg_type"`
	Names     []string `json:"messages"`
	More      uint8    `json:"more"`
	Continued bool     `json:"continued"`
	GoesOn    bool     `json:"goes_on"`
}

// event reads them; recordings of before have only the first.
func (m *messages) event() *event.Control {
	if m.Names == nil && m.Type != event.UnknownMessage {
		return &event.Control{Handshakes: []uint8{handshakes[m.Type]}}
	}
	c := &event.Control{Messages: len(m.Names) + int(m.More), ContinuesPrevious: m.Continued, ContinuesInNext: m.GoesOn}
	for _, name := range m.Names {
		c.Handshakes = append(c.Handshakes, handshakes[name])
	}
	return c
}

func (r *Reader) record(text []byte, unsent bool, mono uint64) (event.Event, error) {
	var l recordLine
	if err := unmarshal(text, &l); err != nil {
		return nil, err
	}
	out := &event.Record{
		Seq: l.Seq, Gen: l.Gen, Epoch: l.Epoch, Datagram: l.Datagram, Type: event.ContentType(l.Type), Len: l.Len, Op: ops[l.Op], Mono: mono, Skipped: max(l.Weight, 1) - 1,
		TLS: l.TLS.tls(), Proc: l.process.event(), Control: l.control(), Unsent: unsent,
		Call: event.Call{Records: l.Call.Records, Time: l.Call.NS},
	}
	if unsent {
		out.Errno = l.Errno
	}
	err := errors.Join(l.connection.set(&out.Conn), setDir(&out.Dir, l.Dir), l.process.check(), l.checkWeight())
	if l.Payload != nil {
		out.Payload = l.Payload.Data
		err = errors.Join(err, checkPayload(out.Payload))
	}
	out.Lat = l.Lat.split(out.Dir)
	r.setTier(l.Tier)
	return known(out, err)
}

// maxWeight is what the kernel can count of records that it left out, and maxWeighed the
// bytes that they may stand for: no sum of them overflows.
const maxWeight, maxWeighed = 1 << 32, 1 << 48

func (l *recordLine) checkWeight() error {
	if l.Weight > maxWeight || l.Weight*uint64(l.Len) > maxWeighed {
		return fmt.Errorf("weight %d of a record of %d bytes: no record stands for so much", l.Weight, l.Len)
	}
	return nil
}

// maxPayload is the longest plaintext of a record, RFC 8446 §5.1.
const maxPayload = 1 << 14

func checkPayload(p []byte) error {
	if len(p) > maxPayload {
		return fmt.Errorf("payload is %d bytes long: no record holds more than %d", len(p), maxPayload)
	}
	return nil
}

// control is nil where there is nothing to tell.
func (l *recordLine) control() *event.Control {
	switch t := event.ContentType(l.Type); {
	case t == event.Alert && l.Alert != nil:
		return &event.Control{AlertLevel: alertLevels[l.Alert.Level], AlertDescription: alertNames[l.Alert.Description]}
	case t == event.Handshake && l.Handshake != nil:
		return l.Handshake.event()
	}
	return nil
}

type droppedLine struct {
	process
	connection
	TLS      side   `json:"tls"`
	Reason   string `json:"reason"`
	Count    uint64 `json:"count"`
	Epoch    uint16 `json:"epoch"`
	Seq      uint64 `json:"seq"`
	Type     string `json:"content_type"`
	Len      uint32 `json:"len"`
	Datagram uint32 `json:"datagram"`
}

func dropped(text []byte, mono uint64) (event.Event, error) {
	var l droppedLine
	if err := unmarshal(text, &l); err != nil {
		return nil, err
	}
	out := &event.Drop{
		TLS: l.TLS.tls(), Proc: l.process.event(), Mono: mono, Epoch: l.Epoch, Seq: l.Seq, Type: contentTypes[l.Type], Len: l.Len,
		Datagram: l.Datagram, Reason: reasons[l.Reason], Count: l.Count,
	}
	return known(out, errors.Join(l.connection.set(&out.Conn), l.process.check()))
}

type socketLine struct {
	process
	connection
	State  string `json:"state"`
	Dir    string `json:"dir"`
	TX     side   `json:"tx"`
	RX     side   `json:"rx"`
	Totals struct {
		TX count `json:"tx"`
		RX count `json:"rx"`
	} `json:"totals"`
	Blocked     uint64                 `json:"blocked"`
	Probed      uint64                 `json:"probed"`
	Ended       string                 `json:"ended"`
	CloseNotify struct{ TX, RX *bool } `json:"close_notify"`
	Truncated   uint64                 `json:"truncated_bytes"`
	Awaited     *uint64                `json:"awaited_ns"`
	Held        *held                  `json:"held"`
	Offload     *offload               `json:"offload"`
	Hint        *event.Hint            `json:"hint"`
	UnsentBytes uint64                 `json:"unsent_bytes"`
	Hidden      pair                   `json:"hidden"`
	Sampled     pair                   `json:"sampled"`
	Unweighted  pair                   `json:"unweighted"`
}

type count struct {
	Records uint64 `json:"records"`
	Bytes   uint64 `json:"bytes"`
}

// answer is not known where it is absent.
func answer(b *bool) event.Answer {
	switch {
	case b == nil:
		return event.NotKnown
	case *b:
		return event.Yes
	}
	return event.No
}

type held struct {
	OpenBytes   uint32 `json:"open_bytes"`
	OpenFor     uint64 `json:"open_ns"`
	Incomplete  uint32 `json:"incomplete_bytes"`
	RecordBytes uint32 `json:"record_bytes"`
	Quiet       uint64 `json:"quiet_ns"`
	Unread      uint32 `json:"unread_records"`
	UnreadBytes uint64 `json:"unread_bytes"`
}

func (h *held) event() *event.Held {
	if h == nil {
		return nil
	}
	return &event.Held{OpenBytes: h.OpenBytes, OpenFor: h.OpenFor, Incomplete: h.Incomplete, RecordBytes: h.RecordBytes,
		QuietFor: h.Quiet, Unread: h.Unread, UnreadBytes: h.UnreadBytes}
}

type offload struct {
	Resyncs  pair   `json:"resyncs"`
	Fallback uint64 `json:"fallback_packets"`
	Gone     bool   `json:"gone"`
}

func (o *offload) event() *event.Offload {
	if o == nil {
		return nil
	}
	return &event.Offload{Resyncs: o.Resyncs.array(), Fallback: o.Fallback, Removed: o.Gone}
}

func socket(text []byte, mono uint64) (event.Event, error) {
	var l socketLine
	if err := unmarshal(text, &l); err != nil {
		return nil, err
	}
	tx, rx := &l.Totals.TX, &l.Totals.RX
	out := &event.Socket{
		State: states[l.State], Mono: mono, Proc: l.process.event(), TX: l.TX.tls(), RX: l.RX.tls(),
		NextTX: l.TX.Next, NextRX: l.RX.Next, GenTX: l.TX.Gen, GenRX: l.RX.Gen, Hidden: l.Hidden.array(),
		Skipped: l.Unweighted.array(), Blocked: l.Blocked, Probed: l.Probed, UnsentBytes: l.UnsentBytes,
		Ended: endings[l.Ended], CloseNotify: [2]event.Answer{answer(l.CloseNotify.TX), answer(l.CloseNotify.RX)}, Truncated: l.Truncated, Held: l.Held.event(), Offload: l.Offload.event(), Hint: l.Hint, Drivers: [2]event.Driver{l.TX.driver(), l.RX.driver()},
		Totals: event.Totals{Records: [2]uint64{tx.Records, rx.Records}, Bytes: [2]uint64{tx.Bytes, rx.Bytes},
			Sampled: l.Sampled.array()},
	}
	if l.Awaited != nil {
		out.AwaitsKey, out.AwaitsKeyFor = true, *l.Awaited
	}
	err := errors.Join(l.connection.set(&out.Conn), l.process.check())
	if out.State == 0 {
		err = errors.Join(err, fmt.Errorf("state %.20q is none of found, open, rekey, close, awaits_key and card", l.State))
	}
	if out.State.HasDir() {
		err = errors.Join(err, setDir(&out.Dir, l.Dir))
	}
	if out.State == event.SocketCard && out.Offload == nil {
		err = errors.Join(err, errors.New("state card has no offload"))
	}
	return known(out, err)
}

type errorLine struct {
	process
	connection
	TLS    side        `json:"tls"`
	Dir    string      `json:"dir"`
	Errno  uint32      `json:"errno_id"`
	Owner  bool        `json:"owner"`
	Option string      `json:"option"`
	Hint   *event.Hint `json:"hint"`
	Count  uint64      `json:"count"`
	Func   string      `json:"func"`
	Seq    uint64      `json:"seq"`
	Type   string      `json:"content_type"`
}

func failure(text []byte, mono uint64) (event.Event, error) {
	var l errorLine
	if err := unmarshal(text, &l); err != nil {
		return nil, err
	}
	out := &event.Error{
		Mono: mono, Proc: l.process.event(), TLS: l.TLS.tls(), Errno: l.Errno, Func: l.Func, Seq: l.Seq, Type: contentTypes[l.Type],
		ProcIsOwner: l.Owner, Hint: l.Hint, Option: options[l.Option], More: uint32(min(max(l.Count, 1)-1, math.MaxUint32)),
	}
	err := errors.Join(l.connection.set(&out.Conn), l.process.check(), checkWord("func", l.Func))
	if out.HasDir() {
		err = errors.Join(err, setDir(&out.Dir, l.Dir))
	}
	return known(out, err)
}

type lostLine struct {
	connection
	Dir   string `json:"dir"`
	Cause string `json:"cause"`
	Count uint64 `json:"count"`
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

func (r *Reader) lost(text []byte, mono uint64) (event.Event, error) {
	var l lostLine
	if err := unmarshal(text, &l); err != nil {
		return nil, err
	}
	out := &event.Lost{Mono: mono, Cause: l.Cause, Count: l.Count, First: l.First, Last: l.Last}
	err := errors.Join(checkWord("cause", l.Cause), r.cause(l.Cause))
	if l.Sock != nil {
		out.Conn = new(event.Conn)
		err = errors.Join(err, l.connection.set(out.Conn), setDir(&out.Dir, l.Dir))
	} else if l.Dir != "" {
		out.HasDir = true
		err = errors.Join(err, setDir(&out.Dir, l.Dir))
	}
	return known(out, err)
}

func (r *Reader) cause(s string) error {
	if r.causes[s] = true; len(r.causes) > maxCauses {
		return fmt.Errorf("more than %d causes of loss: no recording has", maxCauses)
	}
	return nil
}

type triggerLine struct {
	By        string `json:"by"`
	Expr      string `json:"expr"`
	Requested uint64 `json:"asked_ns"`
	Kept      uint64 `json:"kept_ns"`
	Again     uint64 `json:"again"`
}

func trigger(text []byte, mono uint64) (event.Event, error) {
	var l triggerLine
	if err := unmarshal(text, &l); err != nil {
		return nil, err
	}
	if len(l.Expr) > maxFilter {
		return nil, fmt.Errorf("expr is %d bytes long: more than %d", len(l.Expr), maxFilter)
	}
	return &event.Trigger{Mono: mono, By: triggers[l.By], Expr: l.Expr, Requested: l.Requested, Kept: l.Kept, Again: l.Again}, nil
}

type hostLine struct {
	Host    string   `json:"host"`
	State   string   `json:"state"`
	Kernel  string   `json:"kernel"`
	Version string   `json:"version"`
	Filter  string   `json:"filter"`
	Tier    string   `json:"tier"`
	Missing []string `json:"missing_hooks"`
	Reason  string   `json:"reason"`
	Away    uint64   `json:"away_ns"`
}

// maxMissing is more than there are hooks, maxFilter more than a filter has bytes.
const maxMissing, maxFilter = 256, 64 << 10

func (r *Reader) aboutHost(text []byte, mono uint64) (event.Event, error) {
	var l hostLine
	if err := unmarshal(text, &l); err != nil {
		return nil, err
	}
	out := &event.Host{Mono: mono, State: hostStates[l.State], Name: l.Host, Kernel: l.Kernel, Version: l.Version, Filter: l.Filter,
		Tier: tiers[l.Tier], Missing: l.Missing, Reason: l.Reason, Away: time.Duration(l.Away)}
	err := errors.Join(checkWord("host", l.Host), checkWord("kernel", l.Kernel), checkWord("version", l.Version))
	switch {
	case l.Away > math.MaxInt64:
		err = errors.Join(err, fmt.Errorf("away_ns %d is more than 292 years", l.Away))
	case out.State == 0:
		err = errors.Join(err, fmt.Errorf("state %.20q is none of here and away", l.State))
	case len(l.Filter) > maxFilter:
		err = errors.Join(err, fmt.Errorf("filter is %d bytes long: more than %d", len(l.Filter), maxFilter))
	case len(l.Missing) > maxMissing:
		err = errors.Join(err, fmt.Errorf("%d missing_hooks: there are not so many", len(l.Missing)))
	}
	if out.State == event.HostHere {
		r.setTier(l.Tier)
	}
	return known(out, err)
}

type summaryLine struct {
	Records    pair              `json:"records"`
	Bytes      pair              `json:"bytes"`
	Sockets    uint64            `json:"sockets"`
	Errors     uint64            `json:"errors"`
	Unmatched  uint64            `json:"unmatched"`
	Dropped    uint64            `json:"dropped"`
	Lost       map[string]uint64 `json:"lost"`
	Forgotten  uint64            `json:"forgotten"`
	Duplicates uint64            `json:"duplicates"`
	Evicted    map[string]uint64 `json:"evicted"`
	Duration   uint64            `json:"duration_ns"`
	Tier       string            `json:"tier"`
	Missing    []string          `json:"missing_hooks"`
	Cost       []struct {
		Program string `json:"program"`
		Runs    uint64 `json:"runs"`
		Nanos   uint64 `json:"run_ns"`
		Skipped uint64 `json:"skipped"`
	} `json:"cost"`
	CostOver   uint64 `json:"cost_over_ns"`
	Sampled    pair   `json:"sampled"`
	Unweighted pair   `json:"unweighted"`
	Stopped    string `json:"stopped"`
}

func (r *Reader) summary(text []byte, mono uint64) (event.Event, error) {
	var l summaryLine
	if err := unmarshal(text, &l); err != nil {
		return nil, err
	}
	if l.CostOver > math.MaxInt64 {
		return nil, fmt.Errorf("cost_over_ns %d is more than 292 years", l.CostOver)
	}
	if l.Duration > math.MaxInt64 {
		return nil, fmt.Errorf("duration_ns %d is more than 292 years", l.Duration)
	}
	if err := checkWord("stopped", l.Stopped); err != nil {
		return nil, err
	}
	r.setTier(l.Tier)
	out := &event.Summary{
		Mono: mono, Duration: time.Duration(l.Duration), CostOver: time.Duration(l.CostOver), Sockets: l.Sockets, Errors: l.Errors, Dropped: l.Dropped, Unmatched: l.Unmatched, Lost: l.Lost, Forgotten: l.Forgotten, Duplicates: l.Duplicates, Evicted: l.Evicted,
		Totals:  event.Totals{Records: l.Records.array(), Bytes: l.Bytes.array(), Sampled: l.Sampled.array()},
		Skipped: l.Unweighted.array(), Stopped: l.Stopped,
		Missing: l.Missing, Tier: tiers[l.Tier],
	}
	for _, c := range l.Cost {
		out.Cost = append(out.Cost, event.ProgramCost{Name: c.Program, Runs: c.Runs, Nanos: c.Nanos, Skipped: c.Skipped})
	}
	return out, nil
}

// known keeps an event with an error from being used.
func known(ev event.Event, err error) (event.Event, error) {
	if err != nil {
		return nil, firstOf(err)
	}
	return ev, nil
}

// firstOf is the first of errors that were joined: one line is enough.
func firstOf(err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return firstOf(many.Unwrap()[0])
	}
	return err
}
