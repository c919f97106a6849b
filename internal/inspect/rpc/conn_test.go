package rpc

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/inspect/recording"
	"github.com/ktlstop/ktlstop/pkg/event"
)

var update = flag.Bool("update", false, "write the golden files")

// recorded is the traffic of clients with a server, both Linux 6.12: mount, cp, cat,
// ls, dd, mkdir, mv, ln, rm, chmod, truncate, and (4.2) a delegation that the server
// recalled.
var recorded = []string{"nfs42", "nfs40"}

const tx, rx = event.TX, event.RX

func line(x *finding.Exchange) string {
	return fmt.Sprintf("%v %s %s %s | %s | %s | %d > %d in %d, %v", x.Dir, x.Protocol, x.ID, x.Op, x.Detail, x.Status, x.RequestLen, x.ReplyLen, x.Duration, x.End)
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

// conversation is the records of the one connection of a recording.
func conversation(t testing.TB, name string) []*event.Record {
	t.Helper()
	by := recording.Records(t, "testdata/"+name+".jsonl.gz")
	if len(by) != 1 {
		t.Fatalf("%s: %d connections", name, len(by))
	}
	for _, records := range by {
		return records
	}
	return nil
}

func TestRecorded(t *testing.T) {
	for _, name := range recorded {
		t.Run(name, func(t *testing.T) {
			golden(t, "testdata/"+name+".txt", strings.Join(play(conversation(t, name), nil), "\n")+"\n")
		})
	}
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
	for _, name := range recorded {
		all := conversation(t, name)
		for _, size := range []int{1, 100, 5000} {
			q := all[:min(len(all), 50*size)] // bytes one by one take long
			want := play(q, nil)
			if got := play(cut(q, size), nil); !slices.Equal(got, want) {
				t.Errorf("%s in pieces of %d bytes\n%s\nwant\n%s", name, size, strings.Join(got, "\n"), strings.Join(want, "\n"))
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

// TestJoinedLate: from any starting point, the reports are a part of those of the
// whole, with all calls that begin after it.
func TestJoinedLate(t *testing.T) {
	for _, name := range recorded {
		q := conversation(t, name)
		whole := map[string]string{} // by xid
		for _, l := range play(q, nil) {
			whole[xidOf(l)] = l
		}
		for from := 1; from < len(q); from++ {
			got := play(q[from:], func(k *Conn) { k.Join(tx); k.Join(rx) })
			reported := map[string]bool{}
			for _, l := range got {
				reported[l] = true
				if whole[xidOf(l)] != l && !strings.HasSuffix(l, "gap") && !strings.HasSuffix(l, "unanswered") {
					t.Errorf("%s from record %d: %s", name, from, l)
				}
			}
			for _, xid := range callsOf(q[from:]) {
				if l := whole[xid]; !reported[l] {
					t.Errorf("%s from record %d: missing %s", name, from, l)
				}
			}
		}
	}
}

func xidOf(l string) string { return strings.Fields(l)[2] }

// callsOf are the identifiers of calls that begin where a record does.
func callsOf(records []*event.Record) (ids []string) {
	for _, r := range records {
		if Begins(r.Payload) == Sure {
			ids = append(ids, "0x"+hex(binary.BigEndian.Uint32(r.Payload[4:])))
		}
	}
	return ids
}

// TestHeadsOnly: with the first bytes of each record only, the calls are the same
// except for the parts after data.
func TestHeadsOnly(t *testing.T) {
	for _, name := range recorded {
		q := conversation(t, name)
		short := slices.Clone(q)
		for i, r := range short {
			if c := *r; len(c.Payload) > 512 {
				c.Payload = c.Payload[:512]
				short[i] = &c
			}
		}
		op := func(l string) string { l, _, _ = strings.Cut(l, " | "); return l }
		got, want := play(short, nil), play(q, nil)
		for i := range min(len(got), len(want)) {
			if g, w := op(got[i]), op(want[i]); g != w && !strings.HasPrefix(w, strings.TrimSuffix(g, "…")) {
				t.Errorf("%s: %q, want %q", name, g, w)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d calls, want %d", name, len(got), len(want))
		}
	}
}

func TestOneWay(t *testing.T) {
	for _, name := range recorded {
		q := conversation(t, name)
		for _, dir := range []event.Dir{tx, rx} {
			one := slices.DeleteFunc(slices.Clone(q), func(r *event.Record) bool { return r.Dir != dir })
			got := play(one, func(k *Conn) { k.OneWay = true })
			for _, l := range got {
				if !strings.Contains(l, " in 0, ") || strings.HasPrefix(l, dir.String()) != strings.HasSuffix(l, "complete") {
					t.Errorf("%s: %s", name, l)
				}
			}
			if len(got) < 50 {
				t.Errorf("%s: %d exchanges", name, len(got))
			}
		}
	}
}

// xdr writes words, and strings as opaque.
func xdr(values ...any) (b []byte) {
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		case string:
			b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
			b = append(b, v...)
			b = append(b, make([]byte, padded(uint64(len(v)))-uint64(len(v)))...)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

// marked is a message in one fragment.
func marked(b []byte) []byte { return append(xdr(lastFragment|len(b)), b...) }

func callTo(xid, program, version, procedure int, arguments []byte) []byte {
	return marked(append(xdr(xid, call, rpcVersion, program, version, procedure, 1, "credential", 0, 0), arguments...))
}

func replyTo(xid int, results []byte) []byte {
	return marked(append(xdr(xid, reply, 0, 0, 0, 0), results...))
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

var state = make([]byte, 16)

// null is a call and its reply; any other call can follow them.
func null(xid int) []say {
	return []say{{tx, callTo(xid, programNFS, 4, 0, nil)}, {rx, replyTo(xid, nil)}}
}

const nullReported = "tx nfs 0x00000009 NULL |  | accepted | 56 > 28 in 1000, complete"

func TestConversations(t *testing.T) {
	gss := func(service int, arguments []byte) []byte {
		credential := string(xdr(1, 0, 5, service, "context"))
		return marked(append(xdr(1, call, rpcVersion, programNFS, 4, 1, securityGSS, credential, securityGSS, "verifier"), arguments...))
	}
	getattr := xdr("tag", 1, 1, 9, 1, 0)
	for name, c := range map[string]struct {
		say  []say
		want []string
	}{
		"a fragment for each word": {
			[]say{{tx, fragments(callTo(1, programNFS, 4, 1, getattr))}, {rx, replyTo(1, xdr(0, "tag", 1))}},
			[]string{"tx nfs 0x00000001 COMPOUND GETATTR | v4.1 | NFS4_OK | 160 > 44 in 1000, complete"}},
		"an operation that nobody knows": {
			[]say{{tx, callTo(1, programNFS, 4, 1, xdr("", 2, 3, 24, 99, 5, 9, 1, 0))}, {rx, replyTo(1, xdr(10044, "", 2))}},
			[]string{"tx nfs 0x00000001 COMPOUND PUTROOTFH 99 … | v4.2 failed in 99 | NFS4ERR_OP_ILLEGAL | 92 > 40 in 1000, complete"}},
		"a claim that nobody knows": {
			[]say{{tx, callTo(1, programNFS, 4, 1, xdr("", 2, 2, 18, 0, 1, 0, uint64(7), "owner", 0, 77, 9, 1, 0))}},
			[]string{"tx nfs 0x00000001 COMPOUND OPEN … | v4.2 |  | 124 > 0 in 0, unanswered"}},
		"NFS 3": {
			[]say{{tx, callTo(1, programNFS, 3, 6, xdr("handle", uint64(1<<40), 512))}, {rx, replyTo(1, xdr(10008, 0))},
				{tx, callTo(2, 100005, 3, 1, xdr("/export"))}, {rx, replyTo(2, xdr(0))}},
			[]string{"tx nfs 0x00000001 READ | v3 fh 918020d9 offset 1099511627776 count 512 | NFS3ERR_JUKEBOX | 80 > 36 in 1000, complete",
				"tx rpc 0x00000002 MOUNT procedure 1 |  | accepted | 68 > 32 in 1000, complete"}},
		"called back": {
			[]say{{tx, callTo(1, programNFS, 4, 0, nil)}, {rx, replyTo(1, nil)},
				{rx, callTo(1, programCallback, 1, 1, xdr("", 1, 0, 2, 11, state, 1, 0, 0, 0, 1, state, 1, 5, 6, 4, state, 0, "handle"))},
				{tx, replyTo(1, xdr(0, "", 2))}},
			[]string{"tx nfs 0x00000001 NULL |  | accepted | 56 > 28 in 1000, complete",
				"rx nfs 0x00000001 CB_COMPOUND CB_SEQUENCE CB_RECALL | v4.1 | NFS4_OK | 176 > 40 in 1000, complete"}},
		"sealed by Kerberos": {
			[]say{{tx, gss(3, xdr("0123456789"))}, {rx, replyTo(1, xdr("0123456789"))}, {tx, gss(1, getattr)}, {rx, replyTo(1, xdr(0, "", 1))}},
			[]string{"tx nfs 0x00000001 COMPOUND | sealed by RPCSEC_GSS | accepted | 96 > 44 in 1000, complete",
				"tx nfs 0x00000001 COMPOUND GETATTR | v4.1 | NFS4_OK | 108 > 40 in 1000, complete"}},
		"refused": {
			[]say{{tx, callTo(1, programNFS, 4, 0, nil)}, {rx, marked(xdr(1, reply, 1, 1, 5))}, {tx, callTo(2, programNFS, 9, 1, nil)}, {rx, marked(xdr(2, reply, 0, 0, 0, 2, 2, 4))},
				{tx, callTo(3, 555555, 1, 3, nil)}, {rx, marked(xdr(3, reply, 1, 0, 2, 2))}},
			[]string{"tx nfs 0x00000001 NULL |  | AUTH_TOOWEAK | 56 > 24 in 1000, complete",
				"tx nfs 0x00000002 program 100003 procedure 1 |  | PROG_MISMATCH | 56 > 36 in 1000, complete",
				"tx rpc 0x00000003 program 555555 procedure 3 |  | RPC_MISMATCH | 56 > 28 in 1000, complete"}},
		"sent again": {
			[]say{{tx, callTo(1, programNFS, 4, 0, nil)}, {tx, callTo(1, programNFS, 4, 0, nil)}, {rx, replyTo(1, nil)}},
			[]string{"tx nfs 0x00000001 NULL |  |  | 56 > 0 in 0, unanswered", "tx nfs 0x00000001 NULL |  | accepted | 56 > 28 in 1000, complete"}},
		"a reply to nothing that was seen": {
			[]say{{rx, replyTo(8, xdr(5))}}, []string{"tx rpc 0x00000008  |  | accepted | 0 > 32 in 0, gap"}},
		"more operations than are named": {
			[]say{{tx, callTo(1, programNFS, 4, 1, xdr("", 1, 1<<31, slices.Repeat(xdr(10), 40)))}},
			[]string{"tx nfs 0x00000001 COMPOUND " + strings.Repeat("GETFH ", maxOperations) + "… | v4.1 |  | 228 > 0 in 0, unanswered"}},
		"no message": {
			[]say{{tx, []byte("GET / HTTP/1.1\r\n\r\n")}, null(9)[0], null(9)[1]}, []string{nullReported}},
		"a fragment of a gigabyte": {
			[]say{{tx, xdr(1<<30, 1, 0, 2)}, null(9)[0], null(9)[1]}, []string{nullReported}},
		"opaque of four gigabytes": {
			[]say{{tx, marked(xdr(1, call, rpcVersion, programNFS, 4, 1, 0, 0, 0, 0, -1))}, null(9)[0], null(9)[1]},
			[]string{nullReported, "tx nfs 0x00000001 COMPOUND |  |  | 48 > 0 in 0, unanswered"}},
		"empty fragments": {
			[]say{{tx, slices.Concat(xdr(0, 0, 0), callTo(9, programNFS, 4, 0, nil))}, null(9)[1]},
			[]string{"tx nfs 0x00000009 NULL |  | accepted | 68 > 28 in 1000, complete"}},
		"an empty message": {
			[]say{{tx, xdr(lastFragment)}, null(9)[0], null(9)[1]}, []string{nullReported}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := converse(c.say...); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// fragments is a message with a fragment for each of its words.
func fragments(b []byte) (out []byte) {
	for w := range slices.Chunk(b[markLen:], 4) {
		out = append(out, xdr(4, w)...)
	}
	last := len(out) - 8
	out[last] |= 0x80
	return out
}

// TestGaps: after missing bytes within a message, decoding continues with the next
// message, elsewhere where a record begins with one.
func TestGaps(t *testing.T) {
	write := callTo(1, programNFS, 4, 1, xdr("", 2, 3, 22, "handle", 38, state, uint64(512), 2, strings.Repeat("x", 100), 9, 1, 0))
	next := null(9)
	for _, c := range []struct {
		from, to int
		want     string
	}{
		{160, 200, "COMPOUND PUTFH WRITE GETATTR | v4.2 fh 918020d9 offset 512 count 100"},
		{100, 150, "COMPOUND PUTFH … | v4.2 fh 918020d9"},
		{60, 70, "COMPOUND |"},
		{20, 60, ""},
	} {
		var lines []string
		k := New(func(x *finding.Exchange) { lines = append(lines, line(x)) })
		k.Write(tx, write[:c.from], 1)
		k.Gap(tx, uint64(c.to-c.from), 1)
		k.Write(tx, write[c.to:], 1)
		for i, s := range next {
			k.Write(s.dir, s.b, uint64(i+1)*1000)
		}
		k.Close()
		if !slices.Contains(lines, nullReported) {
			t.Errorf("bytes %d to %d missing: %q", c.from, c.to, lines)
		}
		if found := slices.ContainsFunc(lines, func(l string) bool { return c.want != "" && strings.Contains(l, c.want) }); found != (c.want != "") || len(lines) > 2 {
			t.Errorf("bytes %d to %d missing: %q, want %q", c.from, c.to, lines, c.want)
		}
	}
}

// TestDoubt: data that resembles a reply does not hide the call after it.
func TestDoubt(t *testing.T) {
	fake := append(xdr(lastFragment|1<<20, 77, reply, 0, 0, 0, 0), make([]byte, 2000)...)
	if Begins(fake) != Maybe {
		t.Fatal("it does not look like a reply")
	}
	got := converse(append([]say{{tx, []byte("what is no message")}, {tx, fake}}, null(9)...)...)
	if !slices.Equal(got, []string{nullReported}) {
		t.Errorf("%q", got)
	}
}

func TestBounds(t *testing.T) {
	k := New(func(*finding.Exchange) {})
	for i := range 5 * maxWaiting {
		k.Write(tx, callTo(i, programNFS, 4, 0, nil), uint64(i))
	}
	if n := len(k.waiting[tx]); n != maxWaiting || k.waiting[tx][5*maxWaiting-1] == nil || k.waiting[tx][4*maxWaiting] == nil {
		t.Errorf("%d calls wait, or not the latest ones", n)
	}
	// an operation whose arguments never end
	k.Write(tx, append(xdr(lastFragment|maxFragment), callTo(1, programNFS, 4, 1, xdr("", 1, 1, 42, state[:8], "client", 0, 0, 1<<20))[markLen:]...), 1)
	for range 100 {
		k.Write(tx, xdr(strings.Repeat("x", 1000), "y", uint64(1), 2), 1)
	}
	if n := len(k.streams[tx].m.buf); n > maxPart {
		t.Errorf("%d bytes are kept", n)
	}
}

// TestTables: each operation's arguments end where the next one's name begins, for all
// values of the arguments.
func TestTables(t *testing.T) {
	noZero := []string{"COPY_NOTIFY", "WANT_DELEGATION", "CB_LAYOUTRECALL"} // have a union without an arm for 0
	zeroes := make([]byte, 4<<10)
	for _, table := range []map[uint32]operation{operations, callbacks} {
		names := map[string]bool{}
		for n, op := range table {
			if names[op.name] {
				t.Errorf("%s twice", op.name)
			}
			names[op.name] = true
			if op.arguments == nil {
				continue
			}
			c := cursor{b: zeroes}
			if op.arguments(&c); c.short || c.malformed && !slices.Contains(noZero, op.name) || c.at%4 != 0 {
				t.Errorf("%d %s: %+v of zeroes", n, op.name, c.at)
			}
		}
	}
}

// FuzzConn gives arbitrary bytes to both directions: nothing may panic, and memory is
// limited.
func FuzzConn(f *testing.F) {
	for _, name := range recorded {
		for _, r := range conversation(f, name)[:40] {
			f.Add(r.Payload[:min(len(r.Payload), 512)], uint16(50), r.Dir == rx)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, size uint16, late bool) {
		k := New(func(x *finding.Exchange) {
			if x.Protocol == "" || x.End == 0 || len(x.Op) > 40*maxOperations {
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
			for _, s := range k.streams {
				if s.m != nil && len(s.m.buf) > maxPart {
					t.Errorf("%d bytes are kept", len(s.m.buf))
				}
			}
		}
		k.Close()
	})
}
