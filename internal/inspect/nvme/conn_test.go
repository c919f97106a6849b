package nvme

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/inspect/recording"
	"github.com/ktlstop/ktlstop/pkg/event"
)

var update = flag.Bool("update", false, "write the golden files")

// recorded is the traffic of a host with a target of Linux 6.12 by `nvme connect`, dd,
// `nvme read` of a block that does not exist, `nvme flush`, `nvme dsm` and `nvme
// disconnect`: an admin queue and one for I/O.
const recorded = "testdata/nvme.jsonl.gz"

func line(x *finding.Exchange) string {
	return fmt.Sprintf("%s %s | %s | %s | %d > %d in %d, %v", x.ID, x.Op, x.Detail, x.Status, x.RequestLen, x.ReplyLen, x.Duration, x.End)
}

// play gives records to a connection, and returns its reports.
func play(records []*event.Record, change func(*Conn)) []string {
	var lines []string
	k := New(func(x *finding.Exchange) { lines = append(lines, line(x)) })
	if change != nil {
		change(k)
	}
	for _, r := range records {
		k.Write(r.Dir, r.Payload, r.Mono)
		if n := int(r.Len) - len(r.Payload); n > 0 {
			k.Gap(r.Dir, uint64(n), r.Mono)
		}
	}
	k.Close()
	return lines
}

// queues are the recorded connections: that of the admin queue, which came first, and
// that of I/O.
func queues(t testing.TB) [][]*event.Record {
	by := recording.Records(t, recorded)
	all := slices.Collect(maps.Values(by))
	slices.SortFunc(all, func(a, b []*event.Record) int { return int(a[0].Mono) - int(b[0].Mono) })
	return all
}

func TestRecorded(t *testing.T) {
	var out []string
	for _, q := range queues(t) {
		out = append(out, append(play(q, nil), "")...)
	}
	golden(t, "testdata/nvme.txt", strings.Join(out, "\n"))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; to see how: go test -update, git diff. Got\n%s", name, got)
	}
}

// TestInPieces: how the bytes are split changes nothing.
func TestInPieces(t *testing.T) {
	for _, q := range queues(t) {
		want := play(q, nil)
		for _, size := range []int{1, 7, 100, 5000} {
			if got := play(cut(q, size), nil); !slices.Equal(got, want) {
				t.Errorf("in pieces of %d bytes\n%s\nwant\n%s", size, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// cut splits each record into several.
func cut(records []*event.Record, size int) (pieces []*event.Record) {
	for _, r := range records {
		for p := range slices.Chunk(r.Payload, size) {
			c := *r
			c.Payload, c.Len = p, uint32(len(p))
			pieces = append(pieces, &c)
		}
	}
	return pieces
}

// TestJoinedLate: from any starting point, the reports are a part of those of the whole,
// and begin soon.
func TestJoinedLate(t *testing.T) {
	for _, q := range queues(t) {
		whole := map[string]bool{}
		for _, l := range play(q, nil) {
			whole[l] = true
		}
		for from := 1; from < len(q); from++ {
			got := play(q[from:], func(k *Conn) { k.Join(event.TX); k.Join(event.RX) })
			reported := 0
			for _, l := range got {
				switch {
				case whole[l] || whole[certainly(whole, l)]:
					reported++
				case !strings.HasSuffix(l, "gap") && !strings.HasSuffix(l, "unanswered"):
					t.Errorf("from record %d: %s", from, l)
				}
			}
			if most := commands(q[from:]); reported < most-1 {
				t.Errorf("from record %d on: %d commands of %d: %q", from, reported, most, got)
			}
		}
	}
}

// certainly is the line of the whole that corresponds to a line in which the command has
// two names: "Read or Get Log Page" is "Read".
func certainly(whole map[string]bool, l string) string {
	for w := range whole {
		id, rest, _ := strings.Cut(w, " | ")
		mine, _, _ := strings.Cut(l, " | ")
		if strings.HasPrefix(mine, id[:6]) && strings.Contains(mine, id[7:]) && strings.HasSuffix(l, rest[strings.Index(rest, " | "):]) {
			return w
		}
	}
	return ""
}

// commands counts the completions whose command was seen too.
func commands(records []*event.Record) (n int) {
	asked := map[string]bool{}
	for _, r := range records {
		b := r.Payload
		if r.Dir == event.TX && len(b) >= 72 && Begins(b) == Sure && b[0] == byte(capsule) {
			asked[string(b[10:12])] = true
		}
		if r.Dir == event.RX && len(b) == 24 && b[0] == byte(resp) && asked[string(b[20:22])] {
			n++
		}
	}
	return n
}

// TestHeadsOnly: with the first bytes of each record only, the commands are the same,
// as long as a record holds one PDU.
func TestHeadsOnly(t *testing.T) {
	for _, q := range queues(t) {
		short := slices.Clone(q)
		for i, r := range short {
			if c := *r; len(c.Payload) > 256 {
				c.Payload = c.Payload[:256]
				short[i] = &c
			}
		}
		got, want := play(short, nil), play(q, nil)
		if len(got) < len(want)*9/10 {
			t.Errorf("%d of %d commands: %q", len(got), len(want), got)
		}
	}
}

func TestOneWay(t *testing.T) {
	for _, q := range queues(t) {
		sent := slices.DeleteFunc(slices.Clone(q), func(r *event.Record) bool { return r.Dir != event.TX })
		got := play(sent, func(k *Conn) { k.OneWay = true })
		n := 0
		for _, l := range got {
			if !strings.Contains(l, "complete") && !strings.Contains(l, "ICReq") || strings.Contains(l, "in 1") {
				t.Errorf("%s", l)
			}
			n++
		}
		if n < 10 {
			t.Errorf("%d commands", n)
		}
	}
}

// pdu makes a PDU, with the header's own bytes at their offsets.
func pdu(k kind, flags byte, data int, set map[int]uint64) []byte {
	b := make([]byte, shapes[k].header)
	b[0], b[1], b[2] = byte(k), flags, shapes[k].header
	if flags&headerDigest != 0 {
		b = append(b, 0, 0, 0, 0)
	}
	if data > 0 {
		b[3] = byte(len(b))
		b = append(b, bytes.Repeat([]byte{0xda}, data)...)
		if flags&dataDigest != 0 {
			b = append(b, 0, 0, 0, 0)
		}
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	for at, v := range set {
		switch {
		case v < 1<<8:
			b[at] = byte(v)
		case v < 1<<16:
			binary.LittleEndian.PutUint16(b[at:], uint16(v))
		default:
			binary.LittleEndian.PutUint32(b[at:], uint32(v))
		}
	}
	return b
}

// say is the traffic of one end.
type say struct {
	dir event.Dir
	b   []byte
}

func converse(all ...say) []string {
	var records []*event.Record
	for i, s := range all {
		records = append(records, &event.Record{Dir: s.dir, Payload: s.b, Len: uint32(len(s.b)), Mono: uint64(i+1) * 1000})
	}
	return play(records, nil)
}

const tx, rx = event.TX, event.RX

// sqe is the offset of a command in its capsule, cqe that of a completion in its
// response.
const sqe, cqe = 8, 8

func TestConversations(t *testing.T) {
	read := pdu(capsule, 0, 0, map[int]uint64{sqe: 0x02, sqe + 1: 0x40, sqe + 2: 0x1234, sqe + 4: 1, sqe + 39: 0x5a, sqe + 40: 70000, sqe + 48: 7})
	zeroes := pdu(capsule, 0, 0, map[int]uint64{sqe: 0x08, sqe + 1: 0x40, sqe + 2: 7, sqe + 4: 1})
	for name, c := range map[string]struct {
		say  []say
		want []string
	}{
		"completed by its last data": {
			[]say{{tx, read}, {rx, pdu(c2hData, lastData|success, 4096, map[int]uint64{8: 0x1234, 16: 4096})}},
			[]string{"0x1234 Read or Get Log Page | nsid 1 data 4096 | success | 72 > 4120 in 1000, complete"}},
		"digests": {
			[]say{{tx, read}, {rx, pdu(c2hData, headerDigest|dataDigest|lastData, 512, map[int]uint64{8: 0x1234, 16: 512})},
				{rx, pdu(resp, headerDigest, 0, map[int]uint64{cqe + 12: 0x1234})}},
			[]string{"0x1234 Read or Get Log Page | nsid 1 data 512 | success | 72 > 572 in 2000, complete"}},
		"the queue's kind is known by a write": {
			[]say{{tx, pdu(capsule, 0, 512, map[int]uint64{sqe: 0x01, sqe + 1: 0x40, sqe + 2: 1, sqe + 39: 1, sqe + 4: 1})},
				{rx, pdu(resp, 0, 0, map[int]uint64{cqe + 12: 1, cqe + 14: 0x2<<9 | 0x80<<1})}, {tx, zeroes}, {rx, pdu(resp, 0, 0, map[int]uint64{cqe + 12: 7, cqe + 14: 1<<15 | 0x82<<1})}},
			[]string{"0x0001 Write | nsid 1 slba 0 blocks 1 data 512 | write fault | 584 > 24 in 1000, complete",
				"0x0007 Write Zeroes | nsid 1 slba 0 blocks 1 | namespace not ready, do not retry | 72 > 24 in 1000, complete"}},
		"asked for by R2T": {
			[]say{{tx, pdu(capsule, 0, 0, map[int]uint64{sqe: 0x01, sqe + 1: 0x40, sqe + 2: 3, sqe + 39: 0x5a})},
				{rx, pdu(r2t, 0, 0, map[int]uint64{8: 3, 16: 1024})},
				{tx, pdu(h2cData, 0, 512, map[int]uint64{8: 3, 16: 512})}, {tx, pdu(h2cData, lastData, 512, map[int]uint64{8: 3, 16: 512})},
				{rx, pdu(resp, 0, 0, map[int]uint64{cqe + 12: 3, cqe + 14: 1})}},
			[]string{"0x0003 Write | slba 0 blocks 1 data 1024 | success | 1144 > 48 in 4000, complete"}},
		"an identifier that is used again": {
			[]say{{tx, zeroes}, {tx, zeroes}, {rx, pdu(resp, 0, 0, map[int]uint64{cqe + 12: 7})}},
			[]string{"0x0007 Write Zeroes or Abort | nsid 1 |  | 72 > 0 in 0, unanswered",
				"0x0007 Write Zeroes or Abort | nsid 1 | success | 72 > 24 in 1000, complete"}},
		"a completion of nothing that was seen": {
			[]say{{rx, pdu(resp, 0, 0, map[int]uint64{cqe + 12: 9})}},
			[]string{"0x0009  |  | success | 0 > 24 in 0, gap"}},
		"terminated": {
			[]say{{tx, read}, {rx, pdu(c2hTerm, 0, 24, map[int]uint64{8: 2})}},
			[]string{" C2HTermReq |  | PDU sequence error | 0 > 48 in 0, complete", "0x1234 Read or Get Log Page | nsid 1 |  | 72 > 0 in 0, unanswered"}},
		"vendor's": {
			[]say{{tx, pdu(capsule, 0, 0, map[int]uint64{sqe: 0xc1, sqe + 1: 0x40})}, {rx, pdu(resp, 0, 0, map[int]uint64{cqe + 14: 0x7<<9 | 0x12<<1})}},
			[]string{"0x0000 opcode 0xc1 |  | status 0x712 | 72 > 24 in 1000, complete"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := converse(c.say...); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestLost: after bytes that are no PDU, and after a gap of unknown length, decoding
// continues where a record begins with a PDU, and data that resembles one is believed
// only for a while.
func TestLost(t *testing.T) {
	write := pdu(capsule, 0, 512, map[int]uint64{sqe: 0x01, sqe + 1: 0x40, sqe + 2: 1, sqe + 39: 1, sqe + 4: 1})
	done := pdu(resp, 0, 0, map[int]uint64{cqe + 12: 1})
	k := New(func(*finding.Exchange) {})
	k.Write(tx, []byte("\xff\xff\xff\xff\xff\xff\xff\xff"), 1)
	if !k.Lost(tx) || k.Lost(rx) {
		t.Error("it reads on behind what is no PDU")
	}
	want := []string{"0x0001 Write | nsid 1 slba 0 blocks 1 data 512 | success | 584 > 24 in 1000, complete"}
	if got := converse(say{tx, []byte("\xff\xff\xff\xff\xff\xff\xff\xff")}, say{tx, write}, say{rx, done}); !slices.Equal(got, want) {
		t.Errorf("behind what is no PDU: %q", got)
	}
	// data of 1 MB, as somebody wrote into a file
	fake := pdu(h2cData, lastData, 1024, map[int]uint64{8: 77, 16: 1000000, 4: 1000024})
	if got := converse(say{tx, []byte("\xff\xff\xff\xff\xff\xff\xff\xff")}, say{tx, fake}, say{tx, write}, say{rx, done}); !slices.Equal(got, want) {
		t.Errorf("behind data that looks like a PDU: %q", got)
	}
}

// TestBounds: identifiers have two bytes, which limits what waits.
func TestBounds(t *testing.T) {
	reported := 0
	k := New(func(*finding.Exchange) { reported++ })
	for i := range 1 << 17 {
		b := pdu(capsule, 0, 0, map[int]uint64{sqe: 0x01, sqe + 1: 0x40, sqe + 39: 0x5a})
		binary.LittleEndian.PutUint16(b[sqe+2:], uint16(i))
		k.Write(tx, b, uint64(i))
	}
	if len(k.waiting) > 1<<16 || reported != 1<<16 {
		t.Errorf("%d commands wait, %d were reported", len(k.waiting), reported)
	}
}

// FuzzConn gives arbitrary bytes to both directions: nothing may panic, and the number
// of waiting commands is limited by the input.
func FuzzConn(f *testing.F) {
	for _, q := range queues(f) {
		for _, r := range q[:min(len(q), 12)] {
			f.Add(r.Payload[:min(len(r.Payload), 256)], uint16(50), r.Dir == rx)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, size uint16, late bool) {
		k := New(func(x *finding.Exchange) {
			if x.Protocol != "nvme" || x.End == 0 {
				t.Errorf("%+v", x)
			}
		})
		if late {
			k.Join(tx)
			k.Join(rx)
		}
		for i, p := range slices.Collect(slices.Chunk(raw, int(size%300)+1)) {
			k.Write(event.Dir(p[0]&1), p, uint64(i))
			if p[0]&0x70 == 0x70 {
				k.Gap(event.Dir(p[0]&1), uint64(p[0]&0xf)*100, uint64(i))
			}
		}
		if n := len(k.waiting); n > len(raw)/72+1 {
			t.Errorf("%d commands wait", n)
		}
		k.Close()
	})
}
