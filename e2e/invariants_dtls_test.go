package e2e

import (
	"strings"
	"testing"
)

// This file has what the auditor holds against connections of DTLS (flow.Datagrams):
//   - What is sent has one number after the other, of each key, but many threads send:
//     it is reported in any order, each number once. Those that are missing are reported as lost
//     when the connection ends, as one sum.
//   - What is received has no order, and what is missing of it means nothing: but a
//     number comes once, the kernel refuses what comes again.
//   - A late record may be one of the key before.
//   - A socket may be detached and attached again: another connection of the same name.

// number identifies a record.
type number struct {
	gen uint32
	seq uint64
}

func (l *line) ofDTLS() bool {
	for _, version := range []string{l.TLS.Version, l.TX.Version, l.RX.Version} {
		if strings.HasPrefix(version, "DTLS") {
			return true
		}
	}
	return false
}

// epoch is in each record of DTLS; datagram fails without it.
func (l *line) epoch() uint32 {
	if l.Epoch == nil {
		return 0
	}
	return uint32(*l.Epoch)
}

// datagram adds a record of DTLS.
func (a *auditor) datagram(h *history, l *line) {
	w, n := h.directions[l.Dir], number{l.Gen, l.Seq}
	start, begun := w.start[l.Gen]
	switch {
	case a.blind && !begun:
		w.keyed, w.gen, start = true, l.Gen, l.Seq
		w.start[l.Gen], w.next[l.Gen] = start, start
	case !w.keyed || !begun:
		a.errorf("%v: %s record %d.%d of a key that nobody set", h, l.Dir, l.Gen, l.Seq)
	case l.Dir == "tx" && l.Seq < start:
		a.errorf("%v: tx record %d.%d, the key began with %d", h, l.Gen, l.Seq, start)
	}
	if w.reported[n] {
		a.errorf("%v: %s record %d.%d is reported twice", h, l.Dir, l.Gen, l.Seq)
	}
	if w.reported == nil {
		w.reported = map[number]bool{}
	}
	w.reported[n] = true
	w.next[l.Gen] = max(w.next[l.Gen], l.Seq+1)
	w.records, w.mono = append(w.records, l), max(w.mono, l.Mono)
	if l.Epoch == nil || l.Datagram <= l.Len {
		a.errorf("%v: %s record %d.%d of %d bytes without an epoch, or in a datagram of %d", h, l.Dir, l.Gen, l.Seq, l.Len, l.Datagram)
	}
	a.checkContent(h, l)
	a.checkTimesOfDatagram(h, l)
	if !l.unsent() {
		w.sent = totals{w.sent.Records + 1, w.sent.Bytes + uint64(l.Len)}
		sum := a.totals[l.Dir]
		a.totals[l.Dir] = totals{sum.Records + 1, sum.Bytes + uint64(l.Len)}
	}
}

// checkTimesOfDatagram checks that stages add up, and that nothing begins before its
// socket, except records that waited in one that was found.
func (a *auditor) checkTimesOfDatagram(h *history, l *line) {
	sum := uint64(0)
	for stage, ns := range l.Lat {
		if stage != "total" {
			sum += ns
		}
	}
	if l.Lat["total"] != 0 && sum != l.Lat["total"] {
		a.errorf("%v: %s record %d.%d: the stages are %v", h, l.Dir, l.Gen, l.Seq, l.Lat)
	}
	if begin := l.Mono - l.Lat["total"]; begin > l.Mono || begin < h.first && !h.found {
		a.errorf("%v: %s record %d.%d begins at %d, its socket at %d", h, l.Dir, l.Gen, l.Seq, begin, h.first)
	}
}

// drop adds a record that the socket did not deliver.
func (a *auditor) drop(h *history, l *line) {
	a.dropped += l.Count
	if l.Dir != "rx" || l.Count == 0 || l.Reason == "" {
		a.errorf("%v: %d dropped in direction %q for the reason %q", h, l.Count, l.Dir, l.Reason)
	}
}

// checkDatagrams compares the numbers used with those reported: records sent are reported,
// or counted as lost.
func (a *auditor) checkDatagrams(h *history) {
	for _, dir := range []string{"tx", "rx"} {
		w := h.directions[dir]
		if h.closed != nil {
			a.checkEnd(h, dir, w)
		}
	}
	w, lost := h.directions["tx"], uint64(0)
	for _, l := range h.lost {
		lost += l.Count
		if l.Dir != "tx" || l.Cause != "gap" {
			a.errorf("%v: %d %s records are reported as %s", h, l.Count, l.Dir, l.Cause)
		}
	}
	used := uint64(0)
	for gen, next := range w.next {
		used += next - w.start[gen]
	}
	// Without a close the last number is not known.
	if missing := used - uint64(len(w.reported)); missing > lost || missing < lost && h.closed != nil {
		a.errorf("%v: %d tx records are missing, %d are reported as lost", h, missing, lost)
	}
}

// checkEnd compares the kernel's count at the end with the trace.
func (a *auditor) checkEnd(h *history, dir string, w *direction) {
	end := h.closed.side(dir)
	if w.keyed && end.Gen != w.gen {
		a.errorf("%v: %s closed with key %d, the last was %d", h, dir, end.Gen, w.gen)
	}
	if dir == "tx" && w.keyed {
		if end.Next < w.next[end.Gen] {
			a.errorf("%v: closed with %d as the next sequence of key %d, %d was reported", h, end.Next, end.Gen, w.next[end.Gen]-1)
		}
		w.next[end.Gen] = max(w.next[end.Gen], end.Next)
	}
	if got := h.closed.Totals[dir]; got != w.sent {
		a.errorf("%v: closed with totals %v for %s, the trace has %v", h, got, dir, w.sent)
	}
	if w.mono > h.closed.Mono {
		a.errorf("%v: %s record %d ns after the close", h, dir, w.mono-h.closed.Mono)
	}
}

// compareDatagrams checks that each record received was sent by the peer, if the peer's end
// was traced from there on.
func (a *auditor) compareDatagrams(from, to *history) {
	sent, first := map[number]*line{}, map[uint32]uint64{}
	for _, l := range from.directions["tx"].records {
		sent[number{l.epoch(), l.Seq}] = l
		first[l.epoch()] = from.directions["tx"].start[l.Gen]
	}
	for _, l := range to.directions["rx"].records {
		if s := sent[number{l.epoch(), l.Seq}]; s != nil {
			a.compareRecord(from, s, l)
		} else if begin, ok := first[l.epoch()]; ok && l.Seq >= begin && len(from.lost) == 0 {
			a.errorf("%v received record %d of epoch %d, but %v did not send it", to, l.Seq, l.epoch(), from)
		}
	}
}

// TestInvariantsOfDatagrams: faults in traces of DTLS are noticed, and losses in the
// network are not faults.
func TestInvariantsOfDatagrams(t *testing.T) {
	onOneKernel(t)
	for name, change := range map[string]func(tr trace) trace{
		"as it is":                   func(tr trace) trace { return tr },
		"sent in another order":      func(tr trace) trace { tr[2], tr[4] = tr[4], tr[2]; return tr },
		"received in another order":  func(tr trace) trace { tr[3], tr[5] = tr[5], tr[3]; return tr },
		"lost on its way":            func(tr trace) trace { return tr.without(5) },
		"late, and of another epoch": func(tr trace) trace { tr[7], tr[8] = tr[8], tr[7]; return tr },
		"missed, and reported": func(tr trace) trace {
			tr = tr.without(2)
			tr[len(tr)-1].Lost = map[string]uint64{"gap": 1}
			l := line{Type: "lost", Cause: "gap", Count: 1, Sock: tr[0].Sock, record: record{Dir: "tx"}}
			return append(tr[:len(tr)-3], l, tr[len(tr)-3], tr[len(tr)-2], tr[len(tr)-1])
		},
		"a close that was not seen": func(tr trace) trace { return append(tr[:len(tr)-3], tr[len(tr)-1]) },
	} {
		if bad := change(datagramTrace()).audit(4).bad; len(bad) != 0 {
			t.Errorf("%s: %v", name, bad)
		}
	}
	for name, spoil := range map[string]func(tr trace) trace{
		"sent, and not reported":    func(tr trace) trace { return tr.without(2) },
		"the last is not reported":  func(tr trace) trace { return tr.without(8) },
		"reported twice":            func(tr trace) trace { return append(tr[:3:3], tr[2:]...) },
		"received twice":            func(tr trace) trace { return append(tr[:4:4], tr[3:]...) },
		"received, never sent":      func(tr trace) trace { tr[5].Seq = 8; return tr },
		"other bytes":               func(tr trace) trace { tr[5].Payload.Data = []byte("xxxx"); return tr },
		"a key that nobody set":     func(tr trace) trace { return append(tr[:6:6], tr[7:]...) },
		"before its key":            func(tr trace) trace { tr[2].Seq = 0; return tr },
		"a wrong next_seq":          func(tr trace) trace { tr[len(tr)-3].TX.Next++; return tr },
		"wrong totals":              func(tr trace) trace { tr[len(tr)-2].Totals["rx"] = totals{9, 9}; return tr },
		"a wrong sum of stages":     func(tr trace) trace { tr[2].Lat["total"]++; return tr },
		"no epoch":                  func(tr trace) trace { tr[3].Epoch = nil; return tr },
		"drops that are not summed": func(tr trace) trace { tr[len(tr)-1].Dropped++; return tr },
		"lost, but there":           func(tr trace) trace { tr[len(tr)-1].Lost = map[string]uint64{"gap": 1}; return tr },
	} {
		if bad := spoil(datagramTrace()).audit(4).bad; len(bad) == 0 {
			t.Errorf("%s: unnoticed", name)
		}
	}
}

// without is a trace without a record, which the totals do not include either.
func (tr trace) without(i int) trace {
	dir := tr[i].Dir
	for n := range tr {
		if tr[n].State == "close" && tr[n].Sock == tr[i].Sock {
			tr[n].Totals[dir] = totals{2, 20}
		}
	}
	tr[len(tr)-1].Records[dir]--
	return append(tr[:i:i], tr[i+1:]...)
}

// datagramTrace is a connection with two records from number 1 on, a new key and one more
// record, and a drop.
func datagramTrace() (tr trace) {
	client := sock{Cookie: 1, NetNS: 1, LAddr: "192.0.2.1", LPort: 1000, RAddr: "192.0.2.2", RPort: 2000}
	server := sock{Cookie: 2, NetNS: 1, LAddr: "192.0.2.2", LPort: 2000, RAddr: "192.0.2.1", RPort: 1000}
	end := map[string]sock{"tx": client, "rx": server}
	on, now := security{"DTLS1.2", "AES-GCM-128", "sw"}, uint64(100)
	add := func(l line) {
		now += 10
		l.Mono = now
		tr = append(tr, l)
	}
	state := func(s, dir string, gen uint32, next uint64) {
		l := line{Type: "socket", State: s, Sock: end[dir], record: record{Dir: dir}}
		*l.side(dir) = side{on, next, gen}
		if s == "close" {
			l.Dir, l.Totals = "", map[string]totals{dir: {3, 30}}
		}
		add(l)
	}
	pass := func(dir string, gen uint32, seq uint64) {
		r := record{Dir: dir, Seq: seq, Gen: gen, Content: "application_data", Len: 10, Op: "send", TLS: on, Payload: payload{4, []byte("abcd")}}
		lat := map[string]uint64{"queue": 3, "encrypt": 3, "push": 3, "total": 9}
		if dir == "rx" {
			r.Op, lat = "recv", map[string]uint64{"wait": 3, "decrypt": 3, "deliver": 3, "total": 9}
		}
		epoch := uint64(gen) + 1
		add(line{Type: "record", Sock: end[dir], record: r, Lat: lat, Epoch: &epoch, Datagram: 47})
	}
	state("open", "tx", 0, 1)
	state("open", "rx", 0, 1)
	for seq := range uint64(2) {
		pass("tx", 0, seq+1)
		pass("rx", 0, seq+1)
	}
	state("rekey", "tx", 1, 0)
	state("rekey", "rx", 1, 0)
	pass("tx", 1, 0)
	pass("rx", 1, 0)
	add(line{Type: "dropped", Sock: server, Count: 1, Reason: "replay", record: record{Dir: "rx", TLS: on}})
	state("close", "tx", 1, 1)
	state("close", "rx", 1, 1)
	add(line{Type: "summary", Records: map[string]uint64{"tx": 3, "rx": 3}, Dropped: 1})
	return tr
}
