package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
)

// invariants checks the rules that hold for every trace, whatever the traced programs
// did (docs/design.md). snaplen is that of the tracer.
//
// These cases look like violations, but are the kernel's normal behaviour:
//   - A socket has a TLS context from TCP_ULP on, and its keys later, or never. Its
//     records begin with the key of their direction, so raw bytes sent through it
//     before are not records, and a program that sends ciphertext that way is not
//     reported as a sender.
//   - Each end counts its own keys: a record of the sender's first key may be one of
//     the receiver's second. The sequence number is authenticated, so it is equal on
//     both ends in any case.
//   - A receiver opens as many records as its readers take, so its records may end
//     before the sender's, never after.
//   - A record that does not authenticate stays where it is. Each further read fails
//     because of it, and its sequence number is the last one of its key.
//   - The sequence number after 2^64-1 is 0, with an error; the record is sealed.
//   - A sealed record that TCP refuses has no time of its push, and is reported at the
//     close. TCP accepts no record after it.
//   - A kernel that preempts itself may skip the hook of a record that is being sealed.
//     That record then has no times but its push, and no bytes. If it skips the hook of
//     a record that arrives, the record seems not to wait; if it skips that of the call
//     that reads records, these have no end. The summary counts the skips.
//   - A reader lets others in before its own call is over. So records are opened in
//     order, but calls may return in another order, and the end of a call is not seen
//     if another task opens the next record, or the call itself one that does not open.
func (tr trace) invariants(t *testing.T, snaplen int) *auditor {
	t.Helper()
	const enough = 5 // of a kind
	a := tr.audit(snaplen)
	kinds := map[string]int{}
	for _, f := range a.bad {
		if kinds[f.kind]++; kinds[f.kind] <= enough {
			t.Error(f.text)
		}
	}
	for kind, n := range kinds {
		if n > enough {
			t.Errorf("and %d more like %q", n-enough, kind)
		}
	}
	return a
}

// audit checks a trace.
func (tr trace) audit(snaplen int) *auditor {
	a := &auditor{snaplen: snaplen, sockets: map[sock]*history{}, totals: map[string]totals{}, lost: map[string]uint64{}}
	a.blind = slices.ContainsFunc(tr, func(l line) bool { return l.Cause == "ring_full_events" || l.Cause == "conn_map_full" })
	for i := range tr {
		a.enter(&tr[i])
	}
	for _, h := range a.order {
		if h.datagrams {
			a.checkDatagrams(h)
		} else {
			a.checkHistory(h)
		}
	}
	a.comparePeers()
	a.checkSkipped()
	return a
}

// auditor reads a trace from beginning to end and records faults.
type auditor struct {
	snaplen    int
	sockets    map[sock]*history
	order      []*history
	totals     map[string]totals // by direction
	lost       map[string]uint64 // by cause
	bare       uint64            // records that should have bytes but have none
	unbegun    []*line           // sent records without the time of their first byte
	unsealed   []*line           // sent records without the times before their push
	unpushed   []*line           // sent records without the time of their seal
	unended    []*line           // sent records without the time of their push, though later ones have theirs
	unawaited  []*line           // received records without the time of their arrival
	unmet      []*line           // the same on connections that this record revealed, since the hook of their key was skipped
	untaken    []*line           // received records without the times before they were opened
	dropped    uint64            // records of DTLS that no program reads
	unreturned []*line           // runs of received records without the time of their end: at least one call each
	blind      bool              // events other than records may be among the lost
	pairs      int               // records that were compared with their peer's
	summary    *line
	bad        []fault
}

// fault is one violation; kind is its text without the details.
type fault struct{ kind, text string }

// history is the trace's account of one socket.
type history struct {
	sock        sock
	first, last uint64 // times of its socket events
	found       bool   // it was open before the trace
	datagrams   bool   // it is one of DTLS
	closed      *line
	events      []*line
	directions  map[string]*direction
	lost        []*line
}

// direction is one direction of a socket.
type direction struct {
	keyed    bool
	gen      uint32 // of the last socket event
	next     map[uint32]uint64
	start    map[uint32]uint64 // the first sequence of each key
	records  []*line
	mono     uint64 // the latest event
	done     uint64 // when the last record was passed to TCP, or opened
	gaps     []gap
	failed   map[uint32]uint64 // sequence numbers of records that did not open
	dead     bool              // a record of it was never sent
	sent     totals            // of the records, without those never sent
	reported map[number]bool   // of DTLS
}

// gap is a run of sequence numbers without a record.
type gap struct {
	dir         string
	first, last uint64
}

func (a *auditor) errorf(format string, args ...any) {
	a.bad = append(a.bad, fault{format, fmt.Sprintf(format, args...)})
}

func (h *history) String() string {
	return fmt.Sprintf("socket %d (%s:%d to %s:%d)", h.sock.Cookie, h.sock.LAddr, h.sock.LPort, h.sock.RAddr, h.sock.RPort)
}

func (a *auditor) enter(l *line) {
	if a.summary != nil {
		a.errorf("%s after the summary", l.Type)
	}
	switch {
	case l.Type == "summary":
		a.checkSummary(l)
		return
	case l.Type == "lost":
		a.lost[l.Cause] += l.Count
		if l.Sock == (sock{}) {
			return
		}
	case l.Option != "": // it may come before there is a connection, and after there was one
		return
	}
	h := a.sockets[l.Sock]
	if h == nil || h.closed != nil && h.datagrams && l.Type == "socket" { // attached again
		h = a.beginHistory(l)
	}
	if h.closed != nil {
		a.errorf("%v: %s after its close", h, l.Type)
	}
	h.events = append(h.events, l)
	switch l.Type {
	case "socket":
		a.socket(h, l)
	case "record", "unsent":
		if h.datagrams {
			a.datagram(h, l)
		} else {
			a.record(h, l)
		}
	case "dropped":
		a.drop(h, l)
	case "error":
		a.failure(h, l)
	case "lost":
		h.lost = append(h.lost, l)
	}
}

// beginHistory begins a socket's history, with a socket event unless that was lost.
func (a *auditor) beginHistory(l *line) *history {
	h := &history{sock: l.Sock, first: l.Mono, datagrams: l.ofDTLS(), directions: map[string]*direction{}}
	for _, dir := range []string{"tx", "rx"} {
		h.directions[dir] = &direction{next: map[uint32]uint64{}, start: map[uint32]uint64{}, failed: map[uint32]uint64{}}
	}
	a.sockets[l.Sock] = h
	a.order = append(a.order, h)
	if !a.blind && (l.Type != "socket" || l.State != "open" && l.State != "found") {
		a.errorf("%v begins with %s %s", h, l.Type, l.State)
	}
	return h
}

func (a *auditor) socket(h *history, l *line) {
	if l.Mono < h.last {
		a.errorf("%v: %s is %d ns older than the socket event before", h, l.State, h.last-l.Mono)
	}
	h.last = l.Mono
	switch l.State {
	case "found":
		h.found = true
		a.begin(h, "tx", &l.TX, l.TX.Mode != "none")
		a.begin(h, "rx", &l.RX, l.RX.Mode != "none")
	case "open":
		if h.directions[l.Dir].keyed {
			a.errorf("%v: %s opened twice", h, l.Dir)
		}
		a.begin(h, l.Dir, l.side(l.Dir), true)
	case "rekey":
		w := h.directions[l.Dir]
		if !w.keyed || l.side(l.Dir).Gen != w.gen+1 {
			a.errorf("%v: %s has key %d after key %d", h, l.Dir, l.side(l.Dir).Gen, w.gen)
		}
		a.begin(h, l.Dir, l.side(l.Dir), true)
	case "close":
		h.closed = l
	}
}

func (l *line) side(dir string) *side {
	if dir == "tx" {
		return &l.TX
	}
	return &l.RX
}

func (a *auditor) begin(h *history, dir string, s *side, keyed bool) {
	w := h.directions[dir]
	w.keyed = keyed
	w.gen = s.Gen
	w.next[s.Gen], w.start[s.Gen] = s.Next, s.Next
}

func (a *auditor) record(h *history, l *line) {
	w := h.directions[l.Dir]
	next, begun := w.next[l.Gen]
	switch missing := l.Seq - next; {
	case a.blind && !begun:
		w.keyed, w.gen = true, l.Gen
		w.start[l.Gen] = l.Seq
	case !w.keyed || !begun:
		a.errorf("%v: %s record %d.%d of a key that nobody set", h, l.Dir, l.Gen, l.Seq)
	case missing > 1<<63:
		a.errorf("%v: %s record %d.%d is reported again or late, %d is due", h, l.Dir, l.Gen, l.Seq, next)
	case missing > 0:
		w.gaps = append(w.gaps, gap{l.Dir, next, l.Seq - 1})
	}
	if n := len(w.records); n > 0 && l.Gen < w.records[n-1].Gen {
		a.errorf("%v: %s record of key %d after one of key %d", h, l.Dir, l.Gen, w.records[n-1].Gen)
	}
	if l.Seq+1-next < 1<<63 || !begun {
		w.next[l.Gen] = l.Seq + 1
	}
	w.records = append(w.records, l)
	a.checkContent(h, l)
	a.checkClock(h, w, l)
	a.checkSent(h, w, l)
}

// checkSent: records that were never sent are in no total, and none is sent after them.
func (a *auditor) checkSent(h *history, w *direction, l *line) {
	if l.unsent() {
		w.dead = true
		if l.Dir != "tx" || l.Lat["push"] != 0 {
			a.errorf("%v: %s record %d.%d was not sent, with the stages %v", h, l.Dir, l.Gen, l.Seq, l.Lat)
		}
		return
	}
	if w.dead {
		a.errorf("%v: %s record %d.%d left behind one that did not", h, l.Dir, l.Gen, l.Seq)
	}
	w.sent = totals{w.sent.Records + 1, w.sent.Bytes + uint64(l.Len)}
	sum := a.totals[l.Dir]
	a.totals[l.Dir] = totals{sum.Records + 1, sum.Bytes + uint64(l.Len)}
}

var opsOf = map[string][]string{
	"tx": {"send", "sendfile", "splice", "uring_send"},
	"rx": {"recv", "splice_read", "read_sock", "uring_recv"},
}

func (a *auditor) checkContent(h *history, l *line) {
	want := min(l.Len, a.snaplen)
	if want > 0 && l.Payload.Len == 0 {
		a.bare++
	} else if l.Payload.Len != want || len(l.Payload.Data) != want {
		a.errorf("%v: %s record %d.%d of %d bytes shows %d", h, l.Dir, l.Gen, l.Seq, l.Len, len(l.Payload.Data))
	}
	if l.Len > maxRecord {
		a.errorf("%v: %s record %d.%d of %d bytes", h, l.Dir, l.Gen, l.Seq, l.Len)
	}
	if !slices.Contains(opsOf[l.Dir], l.Op) {
		a.errorf("%v: %s record %d.%d by %q", h, l.Dir, l.Gen, l.Seq, l.Op)
	}
	if isAlert := l.Content == "alert" && l.Len >= 2; isAlert != (l.Alert != alert{}) {
		a.errorf("%v: %s record %d.%d of %s shows the alert %v", h, l.Dir, l.Gen, l.Seq, l.Content, l.Alert)
	}
	if isHandshake := l.Content == "handshake" && l.Len >= 1; isHandshake != (l.Handshake != handshake{}) {
		a.errorf("%v: %s record %d.%d of %s shows the message %v", h, l.Dir, l.Gen, l.Seq, l.Content, l.Handshake)
	}
}

// checkClock: stages add up, and no record is before its socket or before the record
// before it.
func (a *auditor) checkClock(h *history, w *direction, l *line) {
	sum := uint64(0)
	for stage, ns := range l.Lat {
		if stage != "total" {
			sum += ns
		}
	}
	// The total is there when all four points in time were seen, and no two of
	// them are the same.
	whole := l.Lat["total"] != 0
	if whole && l.Dir == "rx" && l.Lat["wait"] == 0 {
		// From 7.2 on nothing reports that a record arrived while its call read the one
		// before.
		n := len(w.records)
		switch {
		case n == 1 && h.found:
			a.unmet = append(a.unmet, l)
		case n == 1 || w.records[n-2].Mono != l.readAt() && w.records[n-2].Mono != l.Mono:
			a.unawaited = append(a.unawaited, l)
		}
	} else if whole && l.Dir == "tx" && l.Lat["encrypt"] == 0 && l.Lat["push"] == 0 {
		a.unpushed = append(a.unpushed, l)
	} else if whole && (sum != l.Lat["total"] || slices.Contains(slices.Collect(maps.Values(l.Lat)), 0)) {
		a.errorf("%v: %s record %d.%d: the stages are %v", h, l.Dir, l.Gen, l.Seq, l.Lat)
	}
	if begin := l.Mono - l.Lat["total"]; begin < h.first || begin > l.Mono {
		a.errorf("%v: %s record %d.%d begins at %d, its socket at %d", h, l.Dir, l.Gen, l.Seq, begin, h.first)
	}
	done := l.Mono
	if l.Dir == "rx" {
		done -= l.Lat["deliver"]
	}
	if done < w.done {
		a.errorf("%v: %s record %d.%d is %d ns older than the record before it", h, l.Dir, l.Gen, l.Seq, w.done-done)
	}
	w.done, w.mono = done, max(w.mono, l.Mono)
}

// failure adds an error. A record that does not open is the next one, but records that
// opened in the same call are reported when the call returns.
func (a *auditor) failure(h *history, l *line) {
	if l.Func != "tls_rx_one_record" {
		return
	}
	w := h.directions["rx"]
	if seq, again := w.failed[w.gen]; again && seq != l.Seq {
		a.errorf("%v: record %d does not open, nor did %d", h, l.Seq, seq)
	}
	w.failed[w.gen] = l.Seq
}

// checkHistory checks a socket's history as a whole.
func (a *auditor) checkHistory(h *history) {
	var gaps []gap
	for _, dir := range []string{"tx", "rx"} {
		w := h.directions[dir]
		if h.closed != nil {
			a.checkClose(h, dir, w)
		}
		a.checkWhole(h, dir)
		gaps = append(gaps, w.gaps...)
		for gen, seq := range w.failed {
			if w.next[gen] != seq {
				a.errorf("%v: record %d.%d did not open, but the next sequence is %d", h, gen, seq, w.next[gen])
			}
		}
	}
	a.explain(h, gaps)
}

// checkWhole: the times of a record are complete, except its end if that cannot be
// known.
func (a *auditor) checkWhole(h *history, dir string) {
	inRun := false // the record before has no end, and should have one
	for i, l := range h.events {
		if l.Type != "record" || l.Dir != dir {
			continue
		}
		was := inRun
		inRun = false
		if l.Lat["total"] != 0 || a.countBeginMissed(l) && (dir == "tx" || l.Lat["deliver"] != 0) {
			continue
		}
		endless := neverHandedOver
		if dir == "rx" {
			endless = neverReturned
			if (l.Lat["wait"] == 0) != (l.Lat["decrypt"] == 0) {
				a.errorf("%v: rx record %d.%d: the stages are %v", h, l.Gen, l.Seq, l.Lat)
			}
		}
		switch {
		case endless(l, h.events[i+1:]):
		case dir == "tx":
			a.unended = append(a.unended, l)
		default:
			inRun = true
			if !was {
				a.unreturned = append(a.unreturned, l)
			}
		}
	}
}

// countBeginMissed counts a record without a known beginning by the hook that was
// missed.
func (a *auditor) countBeginMissed(l *line) bool {
	switch {
	case l.Lat["push"] != 0 && l.Lat["queue"] == 0 && l.Lat["encrypt"] == 0:
		a.unsealed = append(a.unsealed, l)
	case l.Lat["push"] != 0 && l.Lat["queue"] == 0:
		a.unbegun = append(a.unbegun, l)
	case l.Dir == "rx" && l.Lat["wait"] == 0 && l.Lat["decrypt"] == 0:
		a.untaken = append(a.untaken, l)
	default:
		return false
	}
	return true
}

// neverHandedOver reports whether a sent record stayed in a socket that was closed:
// then so did all later ones.
func neverHandedOver(_ *line, later []*line) bool {
	for _, l := range later {
		if l.Type == "record" && l.Dir == "tx" && l.Lat["total"] != 0 {
			return false
		}
	}
	return len(later) > 0 && later[len(later)-1].State == "close"
}

// neverReturned reports whether the call that opened a record met one that does not
// open, or another task opened the next record before the call was over. All records of
// that call are then without an end.
func neverReturned(l *line, later []*line) bool {
	for _, next := range later {
		if next.Dir != "rx" || next.Type != "record" && next.Type != "error" {
			continue
		}
		same := next.PID == l.PID && next.TID == l.TID
		switch {
		case next.Type == "error":
			return same && next.Func == "tls_rx_one_record" && next.Seq == l.Seq+1
		case !same:
			return true
		case next.Lat["total"] != 0:
			return false
		}
		l = next
	}
	return false
}

// checkClose compares the kernel's own count at the end with the trace.
func (a *auditor) checkClose(h *history, dir string, w *direction) {
	end := h.closed.side(dir)
	if !w.keyed {
		if end.Mode != "none" || end.Gen != 0 {
			a.errorf("%v: closed with a key for %s that nobody set", h, dir)
		}
		return
	}
	switch missing := end.Next - w.next[end.Gen]; {
	case end.Gen != w.gen:
		a.errorf("%v: %s closed with key %d, the last was %d", h, dir, end.Gen, w.gen)
	case missing > 1<<63:
		a.errorf("%v: %s closed with %d as the next sequence of key %d, %d is due", h, dir, end.Next, end.Gen, w.next[end.Gen])
	case missing > 0:
		w.gaps = append(w.gaps, gap{dir, w.next[end.Gen], end.Next - 1})
		w.next[end.Gen] = end.Next
	}
	want := w.sent
	if got := h.closed.Totals[dir]; got != want {
		a.errorf("%v: closed with totals %v for %s, the trace has %v", h, got, dir, want)
	}
	if w.mono > h.closed.Mono {
		a.errorf("%v: %s record %d ns after the close", h, dir, w.mono-h.closed.Mono)
	}
}

// explain: each gap is reported as lost, and nothing else is.
func (a *auditor) explain(h *history, gaps []gap) {
	told := slices.Clone(h.lost)
	for _, g := range gaps {
		i := slices.IndexFunc(told, func(l *line) bool {
			return gap{l.Dir, l.First, l.Last} == g && l.Count == g.last-g.first+1
		})
		if i < 0 {
			a.errorf("%v: %s records %d to %d are missing, and nothing says so", h, g.dir, g.first, g.last)
			continue
		}
		told = slices.Delete(told, i, i+1)
	}
	for _, l := range told {
		a.errorf("%v: %d %s records %d to %d are reported as lost, and are there", h, l.Count, l.Dir, l.First, l.Last)
	}
}

// describe returns a record and what came before it on its socket.
func (a *auditor) describe(l *line) string {
	text := fmt.Sprintf("%s of %s: %s record %d.%d of %d bytes at %d, %v", l.Op, l.Comm, l.Dir, l.Gen, l.Seq, l.Len, l.Mono, l.Lat)
	h := a.sockets[l.Sock]
	if h == nil {
		return text
	}
	text += fmt.Sprintf(" on %v", h)
	i := slices.Index(h.events, l)
	for _, before := range h.events[max(0, i-4):max(0, i)] {
		text += fmt.Sprintf("; before it %s %s %s %d.%d %s at %d, %v", before.Type, before.State, before.Dir, before.Gen, before.Seq, before.Errno, before.Mono, before.Lat)
	}
	return text
}

var arrivals = []string{"msg_ready", "data_ready", "recvmsg_exit", "splice_read_exit", "read_sock_exit"}

// checkSkipped: the missing times are those that the kernel says it skipped.
func (a *auditor) checkSkipped() {
	for _, c := range []struct {
		what   string
		unseen []*line
		hooks  []string
	}{
		{"begin", a.unbegun, []string{"sendmsg_enter", "sendpage_enter"}},
		{"being sealed", a.unsealed, []string{"verdict_enter"}},
		{"going to TCP", a.unpushed, []string{"push_enter"}},
		{"being handed to TCP", a.unended, []string{"msg_free"}},
		{"arriving", a.unawaited, arrivals},
		{"arriving by a connection that was not known yet", a.unmet, append([]string{"set_sw_offload"}, arrivals...)},
		{"being taken up", a.untaken, []string{"open_enter"}},
		{"being returned with their calls", a.unreturned, []string{"recvmsg_exit", "splice_read_exit", "read_sock_exit"}},
	} {
		if n := a.summary.skips(c.hooks...); len(c.unseen) > n {
			a.errorf("%d records were not seen %s, the kernel skipped the hooks %d times; the first is %s", len(c.unseen), c.what, n, a.describe(c.unseen[0]))
		}
	}
}

func (a *auditor) checkSummary(l *line) {
	a.summary = l
	for _, dir := range []string{"tx", "rx"} {
		if l.Records[dir] != a.totals[dir].Records {
			a.errorf("the summary has %d %s records, the trace %d", l.Records[dir], dir, a.totals[dir].Records)
		}
	}
	if want := a.lostInAll(); !maps.Equal(l.Lost, want) {
		a.errorf("the summary has %v lost, the trace %v", l.Lost, want)
	}
	if l.Dropped != a.dropped {
		a.errorf("the summary has %d dropped, the trace %d", l.Dropped, a.dropped)
	}
	lost := a.lost["payload_ring_full"] + a.lost[unreadable] + a.lost["payload_dropped"]
	if a.bare != lost {
		a.errorf("%d records show no bytes, %d lost theirs", a.bare, lost)
	}
	for _, h := range a.order {
		if h.last > l.Mono || max(h.directions["tx"].mono, h.directions["rx"].mono) > l.Mono {
			a.errorf("%v lives on after the summary", h)
		}
	}
}

// lostInAll is the expected count in the summary: a gap counts only as far as no other
// reported loss explains it (docs/events.md).
func (a *auditor) lostInAll() map[string]uint64 {
	all := maps.Clone(a.lost)
	explained := all["ring_full"] + all["pending_map_full"] + all[skipped]
	if all["gap"] -= min(all["gap"], explained); all["gap"] == 0 {
		delete(all, "gap")
	}
	return all
}

// link names a connection from one end.
type link struct {
	netns        uint64
	laddr, raddr netip.AddrPort
}

func (s sock) link() link {
	return link{s.NetNS, addrPort(s.LAddr, s.LPort), addrPort(s.RAddr, s.RPort)}
}

// addrPort unmaps an IPv4 address on an IPv6 socket.
func addrPort(addr string, port int) netip.AddrPort {
	ip, _ := netip.ParseAddr(addr)
	return netip.AddrPortFrom(ip.Unmap(), uint16(port))
}

// comparePeers finds the two ends of each connection and compares the records sent by
// one with those received by the other.
func (a *auditor) comparePeers() {
	ends := map[link][]*history{}
	for _, h := range a.order {
		ends[h.sock.link()] = append(ends[h.sock.link()], h)
	}
	for _, h := range a.order {
		there := h.sock.link()
		there.laddr, there.raddr = there.raddr, there.laddr
		for _, peer := range ends[there] {
			if peer != h && h.directions["tx"].keyed && peer.directions["rx"].keyed && h.overlaps(peer) {
				a.compareEnds(h, peer)
			}
		}
	}
}

// overlaps reports whether both were open at the same time: ports are used again.
func (h *history) overlaps(peer *history) bool { return h.first <= peer.end() && peer.first <= h.end() }

func (h *history) end() uint64 {
	if h.closed == nil {
		return 1<<64 - 1
	}
	return h.closed.Mono
}

func (a *auditor) compareEnds(from, to *history) {
	if from.datagrams {
		a.compareDatagrams(from, to)
	} else {
		a.compare(from, to)
	}
}

// compare pairs the records by their position since the first key, or since the first
// common sequence number if the connection is older than the trace.
func (a *auditor) compare(from, to *history) {
	tx, rx := from.directions["tx"], to.directions["rx"]
	sent := map[uint64]*line{}
	for _, l := range tx.records {
		sent[tx.place(l.Gen, l.Seq)] = l
	}
	shift := uint64(0)
	if from.found || to.found {
		s, r := firstCommon(tx.records, rx.records)
		if s == nil {
			return
		}
		shift = tx.place(s.Gen, s.Seq) - rx.place(r.Gen, r.Seq)
	}
	end := tx.place(tx.gen, tx.next[tx.gen])
	for _, l := range rx.records {
		place := rx.place(l.Gen, l.Seq) + shift
		s := sent[place]
		switch {
		case s != nil:
			a.compareRecord(from, s, l)
		case place >= end:
			a.errorf("%v received %s record %d.%d, but %v sent only %d", to, l.Content, l.Gen, l.Seq, from, end)
		}
	}
}

// place numbers the records of a direction through all its keys, including the lost
// ones.
func (w *direction) place(gen uint32, seq uint64) uint64 {
	n := seq - w.start[gen]
	for g, next := range w.next {
		if g < gen {
			n += next - w.start[g]
		}
	}
	return n
}

// firstCommon returns the first received record whose sequence number was also sent.
func firstCommon(tx, rx []*line) (sent, received *line) {
	for _, r := range rx {
		if i := slices.IndexFunc(tx, func(s *line) bool { return s.Seq == r.Seq }); i >= 0 {
			return tx[i], r
		}
	}
	return nil, nil
}

func (a *auditor) compareRecord(from *history, s, r *line) {
	a.pairs++
	if s.unsent() {
		a.errorf("%v did not send %d.%d, its peer has received it", from, s.Gen, s.Seq)
	}
	if s.Seq != r.Seq || s.Content != r.Content || s.Len != r.Len || s.Alert != r.Alert || !s.sameMessages(r) ||
		s.TLS.Version != r.TLS.Version || s.TLS.Cipher != r.TLS.Cipher {
		a.errorf("%v sent %d.%d %s of %d bytes (%v), its peer received %d.%d %s of %d bytes (%v)",
			from, s.Gen, s.Seq, s.Content, s.Len, s.TLS, r.Gen, r.Seq, r.Content, r.Len, r.TLS)
	} else if s.Payload.Len > 0 && r.Payload.Len > 0 && !bytes.Equal(s.Payload.Data, r.Payload.Data) {
		a.errorf("%v sent %d.%d with other bytes than its peer received, from byte %d on of %d",
			from, s.Gen, s.Seq, firstDifference(s.Payload.Data, r.Payload.Data), s.Len)
	}
	if s.Lat["total"] == 0 || r.Lat["total"] == 0 || s.Lat["push"] == 0 {
		return // a stage was not seen
	}
	sealed, there := s.Mono-s.Lat["push"], r.Mono-r.Lat["total"]
	if there < sealed {
		a.errorf("%v sealed %d.%d at %d, its peer had it %d ns earlier", from, s.Gen, s.Seq, sealed, sealed-there)
	}
}

// sameMessages: both ends report the same messages, unless one does not know where they
// begin.
func (l *line) sameMessages(other *line) bool {
	const unknown = "unknown"
	a, b := l.Handshake, other.Handshake
	return a == b || a.MsgType == unknown && b.MsgType != "" || b.MsgType == unknown && a.MsgType != ""
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// TestInvariantsNotice changes a correct trace in many ways; each fault is noticed.
func TestInvariantsNotice(t *testing.T) {
	onOneKernel(t)
	if bad := soundTrace().audit(4).bad; len(bad) != 0 {
		t.Fatalf("the sound trace has %v", bad)
	}
	for name, spoil := range map[string]func(tr trace) trace{
		"a record is missing":        func(tr trace) trace { return slices.Delete(tr, 4, 5) },
		"the last is missing":        func(tr trace) trace { return slices.Delete(tr, 9, 10) },
		"a record is reported twice": func(tr trace) trace { return slices.Insert(tr, 5, tr[4]) },
		"records change places":      func(tr trace) trace { tr[4], tr[6] = tr[6], tr[4]; return tr },
		"no open":                    func(tr trace) trace { return slices.Delete(tr, 0, 1) },
		"no open of the peer":        func(tr trace) trace { return slices.Delete(tr, 1, 2) },
		"no rekey":                   func(tr trace) trace { return slices.Delete(tr, 8, 9) },
		"a key is skipped":           func(tr trace) trace { tr[8].TX.Gen = 2; return tr },
		"an event after the close":   func(tr trace) trace { tr[9], tr[12] = tr[12], tr[9]; return tr },
		"an event after the end":     func(tr trace) trace { return append(tr, tr[0]) },
		"another type":               func(tr trace) trace { tr[5].Content = "handshake"; return tr },
		"another length":             func(tr trace) trace { tr[5].Len--; return tr },
		"other bytes":                func(tr trace) trace { tr[5].Payload.Data[3]++; return tr },
		"another cipher":             func(tr trace) trace { tr[5].TLS.Cipher = "AES-GCM-256"; return tr },
		"no payload":                 func(tr trace) trace { tr[5].Payload = payload{}; return tr },
		"too much payload":           func(tr trace) trace { tr[5].Payload = payload{5, tr[5].Payload.Data[:5]}; return tr },
		"received before sealed":     func(tr trace) trace { tr[11].Mono -= 29; return tr },
		"a wrong next_seq":           func(tr trace) trace { tr[12].TX.Next++; return tr },
		"wrong totals":               func(tr trace) trace { tr[12].Totals["tx"] = totals{4, 9}; return tr },
		"a wrong summary":            func(tr trace) trace { tr[14].Records["tx"]++; return tr },
		"a wrong sum of stages":      func(tr trace) trace { tr[5].Lat["total"]++; return tr },
		"a stage of nothing":         func(tr trace) trace { tr[5].Lat["wait"] = 0; tr[5].Lat["total"] -= 3; return tr },
		"a record without end":       func(tr trace) trace { tr[5].Lat = endless(); return tr },
		"a sent one without end":     func(tr trace) trace { tr[4].Lat["total"] = 0; return tr },
		"without end or wait":        func(tr trace) trace { tr[3].Lat = endless(); tr[3].Lat["wait"] = 0; tr[5].PID++; return tr },
		"without end, then closed":   func(tr trace) trace { tr[11].Lat = endless(); return tr },
		"an op of the other way":     func(tr trace) trace { tr[5].Op = "send"; return tr },
		"an alert without a name":    func(tr trace) trace { tr[5].Content, tr[4].Content = "alert", "alert"; return tr },
		"a message without a name":   func(tr trace) trace { tr[5].Content, tr[4].Content = "handshake", "handshake"; return tr },
		"received, never sent": func(tr trace) trace {
			tr[12].TX.Gen, tr[12].TX.Next, tr[12].Totals["tx"], tr[14].Records["tx"] = 0, 3, totals{3, 30}, 3
			return slices.Delete(tr, 8, 10)
		},
		"lost, but there": func(tr trace) trace {
			tr[14].Lost = map[string]uint64{"gap": 1}
			return slices.Insert(tr, 12, line{Type: "lost", Cause: "gap", Count: 1, Sock: tr[0].Sock, record: record{Dir: "tx"}})
		},
		"lost, but not so many": func(tr trace) trace {
			tr[14].Lost, tr[14].Records["rx"], tr[13].Totals["rx"] = map[string]uint64{"gap": 2}, 3, totals{3, 30}
			l := line{Type: "lost", Cause: "gap", Count: 2, First: 1, Last: 1, Sock: tr[1].Sock, record: record{Dir: "rx"}}
			return slices.Replace(tr, 5, 6, l)
		},
		"failed, and opened": func(tr trace) trace {
			return slices.Insert(tr, 5, line{Type: "error", Func: "tls_rx_one_record", Sock: tr[1].Sock, record: record{Dir: "rx"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if bad := spoil(soundTrace()).audit(4).bad; len(bad) == 0 {
				t.Error("unnoticed")
			}
		})
	}
}

// endless are the stages of a received record whose call was not seen to return.
func endless() map[string]uint64 { return map[string]uint64{"wait": 3, "decrypt": 3} }

// TestInvariantsAllow changes a correct trace into others that the kernel can cause.
func TestInvariantsAllow(t *testing.T) {
	onOneKernel(t)
	fails := func(tr trace) trace {
		tr[3].Lat, tr[5].Lat, tr[7].Lat = endless(), endless(), endless()
		e := line{Type: "error", Func: "tls_rx_one_record", Sock: tr[1].Sock, record: record{Dir: "rx", Seq: 3}}
		return slices.Insert(tr, 8, e)
	}
	for name, change := range map[string]func(tr trace) trace{
		"another task opens the next record": func(tr trace) trace {
			tr[3].Lat, tr[5].Lat, tr[7].PID = endless(), endless(), 9
			return tr
		},
		"the call fails at a later record": func(tr trace) trace { return fails(tr) },
		"TCP refuses the last record":      func(tr trace) trace { tr[9].Lat["total"] = 0; return tr },
	} {
		t.Run(name, func(t *testing.T) {
			if bad := change(soundTrace()).audit(4).bad; len(bad) != 0 {
				t.Error(bad)
			}
		})
	}
	for name, spoil := range map[string]func(e *line){
		"another call fails":            func(e *line) { e.PID = 9 },
		"something else fails":          func(e *line) { e.Func = "tls_err_abort" },
		"a record further behind fails": func(e *line) { e.Seq++ },
	} {
		t.Run(name, func(t *testing.T) {
			tr := fails(soundTrace())
			spoil(&tr[8])
			if bad := tr.audit(4).bad; len(bad) == 0 {
				t.Error("unnoticed")
			}
		})
	}
}

// soundTrace is a connection with three records, a new key and one more record.
func soundTrace() trace {
	client := sock{Cookie: 1, NetNS: 1, LAddr: "192.0.2.1", LPort: 1000, RAddr: "192.0.2.2", RPort: 2000}
	server := sock{Cookie: 2, NetNS: 1, LAddr: "::ffff:192.0.2.2", LPort: 2000, RAddr: "::ffff:192.0.2.1", RPort: 1000}
	end := map[string]sock{"tx": client, "rx": server}
	on := security{"1.3", "AES-GCM-128", "sw"}
	off := security{"1.3", "AES-GCM-128", "none"}
	var tr trace
	now := uint64(100)
	state := func(s, dir string, gen uint32, next uint64) {
		now += 10
		l := line{Type: "socket", State: s, Mono: now, Sock: end[dir], TX: side{off, 0, 0}, RX: side{off, 0, 0}}
		*l.side(dir) = side{on, next, gen}
		l.Dir = dir
		if s == "close" {
			l.Dir, l.Totals = "", map[string]totals{dir: {4, 40}}
		}
		tr = append(tr, l)
	}
	pass := func(dir string, gen uint32, seq uint64) {
		now += 10
		r := record{Dir: dir, Seq: seq, Gen: gen, Content: "application_data", Len: 10, Op: "send", TLS: on, Payload: payload{4, []byte("abcdefgh")[:4]}}
		lat := map[string]uint64{"queue": 3, "encrypt": 3, "push": 3, "total": 9}
		if dir == "rx" {
			r.Op, lat = "recv", map[string]uint64{"wait": 3, "decrypt": 3, "deliver": 3, "total": 9}
		}
		tr = append(tr, line{Type: "record", Mono: now, Sock: end[dir], record: r, Lat: lat})
	}
	state("open", "tx", 0, 0)
	state("open", "rx", 0, 0)
	for seq := range uint64(3) {
		pass("tx", 0, seq)
		pass("rx", 0, seq)
	}
	state("rekey", "tx", 1, 0)
	pass("tx", 1, 0)
	state("rekey", "rx", 1, 0)
	pass("rx", 1, 0)
	state("close", "tx", 1, 1)
	state("close", "rx", 1, 1)
	return append(tr, line{Type: "summary", Mono: now + 1, Records: map[string]uint64{"tx": 4, "rx": 4}})
}
