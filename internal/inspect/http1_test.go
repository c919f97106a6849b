package inspect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

const rx, tx = event.RX, event.TX

// brief is an exchange in one line.
func brief(h finding.HTTP) string {
	s := h.Dir.String() + " " + h.Version
	if h.Stream != 0 {
		s += fmt.Sprint("#", h.Stream)
	}
	if r := h.Request; r != nil {
		s += fmt.Sprintf(" %s %s%s %d+%d", r.Method, r.Host, r.Path, r.HeadLen, r.BodyLen)
	}
	s += " >"
	if r := h.Response; r != nil {
		s += fmt.Sprintf(" %d %d+%d", r.Status, r.HeadLen, r.BodyLen)
	}
	return s + " " + h.End.String()
}

func briefs(o *shown) (all []string) {
	for _, h := range o.http {
		all = append(all, brief(h))
	}
	return all
}

const get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n" // 28 bytes

// http1Cases are conversations: lines beginning with "> " are the client's.
var http1Cases = []struct {
	name string
	say  []string // "r" received, "t" sent, in turn
	want []string
	// byEnd says that the close of the connection is part of it.
}{
	{"length", []string{"r" + get, "tHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"},
		[]string{"rx 1.1 GET h/a 28+0 > 200 38+3 complete"}},
	{"chunked with trailers", []string{"r" + get,
		"tHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"},
		[]string{"rx 1.1 GET h/a 28+0 > 200 47+13 complete"}},
	{"until close", []string{"r" + get, "tHTTP/1.0 200 OK\r\nConnection: close\r\n\r\nall that comes"},
		[]string{"rx 1.0 GET h/a 28+0 > 200 38+14 complete"}},
	{"cut", []string{"r" + get, "tHTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc"},
		[]string{"rx 1.1 GET h/a 28+0 > 200 39+3 closed"}},
	{"HEAD", []string{"rHEAD /a HTTP/1.1\r\nHost: h\r\n\r\n", "tHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
		"r" + get, "tHTTP/1.1 204 No Content\r\n\r\n", "r" + get, "tHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"},
		[]string{"rx 1.1 HEAD h/a 29+0 > 200 38+0 complete", "rx 1.1 GET h/a 28+0 > 204 27+0 complete",
			"rx 1.1 GET h/a 28+0 > 304 48+0 complete"}},
	{"interim", []string{"rPOST /up HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
		"tHTTP/1.1 100 Continue\r\n\r\n", "rdata", "tHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"},
		[]string{"rx 1.1 POST h/up 71+4 > 201 43+0 complete"}},
	{"pipelining", []string{"r" + get + "HEAD /b HTTP/1.1\r\nHost: h\r\n\r\n" + strings.Replace(get, "/a", "/c", 1),
		"tHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\n333"},
		[]string{"rx 1.1 GET h/a 28+0 > 200 38+1 complete", "rx 1.1 HEAD h/b 29+0 > 200 38+0 complete",
			"rx 1.1 GET h/c 28+0 > 404 38+3 complete"}},
	{"upgrade", []string{"rGET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
		"tHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "r\x81\x05hello", "tGET /no HTTP/1.1\r\n\r\n"},
		[]string{"rx 1.1 GET h/ws 70+0 > 101 56+0 upgrade"}},
	{"CONNECT", []string{"rCONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", "tHTTP/1.1 200 OK\r\n\r\n", "r" + get},
		[]string{"rx 1.1 CONNECT h:1h:1 35+0 > 200 19+0 upgrade"}},
	{"unanswered", []string{"r" + get}, []string{"rx 1.1 GET h/a 28+0 > unanswered"}},
	{"client", []string{"tPUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"rHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}, []string{"tx 1.1 PUT h/x 56+2 > 200 38+0 complete"}},
	{"bare line feeds", []string{"rGET /a HTTP/1.0\nHost: h\n\n", "tHTTP/1.0 200 OK\nContent-Length: 2\n\nok"},
		[]string{"rx 1.0 GET h/a 25+0 > 200 35+2 complete"}},
	{"not HTTP", []string{"rHELO there\r\n", "tGETTING on\r\n"}, nil},
}

// converse feeds a conversation, in records of at most size bytes.
func converse(f *feed, say []string, size int) {
	for _, one := range say {
		d := rx
		if one[0] == 't' {
			d = tx
		}
		for rest := one[1:]; len(rest) > 0; {
			n := min(size, len(rest))
			f.send(d, rest[:n])
			rest = rest[n:]
		}
	}
}

func TestHTTP1(t *testing.T) {
	for _, c := range http1Cases {
		for _, size := range []int{1 << 14, 1, 2, 3, 5, 7, 11, 16, 31} {
			f := newFeed(t, Config{}).both()
			converse(f, c.say, size)
			out := f.close()
			if d := cmp.Diff(c.want, briefs(out)); d != "" {
				t.Errorf("%s in records of %d: %s notes %q", c.name, size, d, out.notes)
			}
			var said [2]string
			for _, one := range c.say {
				said[map[byte]event.Dir{'r': rx, 't': tx}[one[0]]] += one[1:]
			}
			for d := range said {
				if string(out.payload[d]) != said[d] {
					t.Errorf("%s in records of %d: %s showed %q", c.name, size, event.Dir(d), out.payload[d])
				}
			}
			if len(out.notes) != 0 {
				t.Errorf("%s in records of %d: notes %q", c.name, size, out.notes)
			}
		}
	}
}

func TestDuration(t *testing.T) {
	f := newFeed(t, Config{}).both()
	f.split(rx, []byte(get), 3, 9)                                                    // at 1000, 2000, 3000
	f.split(tx, []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), 8, 39, 40) // at 4000 to 7000
	h := f.close().http[0]
	if h.Duration != 6000 || h.Mono != 7000 || h.Proc.PID != 42 || h.Conn.Cookie != 7 {
		t.Errorf("%+v", h)
	}
	want := []finding.Header{{Name: "Host", Value: "h"}}
	if d := cmp.Diff(want, h.Request.Headers); d != "" {
		t.Error(d)
	}
}

// TestOneDirection: OpenSSL 3.0 receives TLS 1.3 in user space.
func TestOneDirection(t *testing.T) {
	f := newFeed(t, Config{}).open(tx)
	f.send(tx, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
	// A response to HEAD, as a later record shows.
	f.send(tx, "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n").send(tx, "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\n.")
	out := f.close()
	want := []string{"rx 1.1 > 200 38+3 complete", "rx 1.1 > 200 39+0 complete", "rx 1.1 > 404 38+1 complete"}
	if d := cmp.Diff(want, briefs(out)); d != "" {
		t.Error(d)
	}
	if len(out.notes) != 1 || out.notes[0] != "rx is not kernel TLS on this connection: requests are not seen" {
		t.Errorf("notes %q", out.notes)
	}
}

func TestRequestsOnly(t *testing.T) {
	f := newFeed(t, Config{OneWay: true}).open(rx)
	f.send(rx, get)
	if d := cmp.Diff([]string{"rx 1.1 GET h/a 28+0 > complete"}, briefs(f.out)); d != "" {
		t.Error(d)
	}
	f.close()
}

const ok3 = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"

func TestHTTP1Gaps(t *testing.T) {
	for _, c := range []struct {
		name  string
		run   func(f *feed)
		want  []string
		notes int
	}{
		{"truncated body", func(f *feed) { f.send(rx, get).sendCut(tx, ok3, 39).send(rx, get).send(tx, ok3) },
			[]string{"rx 1.1 GET h/a 28+0 > 200 38+3 complete", "rx 1.1 GET h/a 28+0 > 200 38+3 complete"}, 0},
		{"no payload of a body", func(f *feed) {
			f.send(rx, get).send(tx, ok3[:39]).sendCut(tx, "bc", 0).send(rx, get).send(tx, ok3)
		}, []string{"rx 1.1 GET h/a 28+0 > 200 38+3 complete", "rx 1.1 GET h/a 28+0 > 200 38+3 complete"}, 0},
		{"truncated chunk", func(f *feed) {
			f.send(rx, get).send(tx, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na").sendCut(tx, "bcde", 1).send(tx, "\r\n0\r\n\r\n")
		}, []string{"rx 1.1 GET h/a 28+0 > 200 47+5 complete"}, 0},
		{"truncated head", func(f *feed) { f.send(rx, get).sendCut(tx, ok3, 20).send(rx, get).send(tx, ok3) },
			[]string{"rx 1.1 GET h/a 28+0 > unanswered", "rx 1.1 > 200 38+3 complete", "rx 1.1 GET h/a 28+0 > unanswered"}, 1},
		{"lost response", func(f *feed) { f.send(rx, get).lose(tx).send(rx, get).send(tx, ok3).send(rx, get).send(tx, ok3) },
			[]string{"rx 1.1 GET h/a 28+0 > unanswered", "rx 1.1 > 200 38+3 complete", "rx 1.1 GET h/a 28+0 > unanswered",
				"rx 1.1 GET h/a 28+0 > 200 38+3 complete"}, 1},
		{"lost body", func(f *feed) {
			f.send(rx, get).send(tx, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc").lose(tx).send(tx, "rest").send(rx, get).send(tx, ok3)
		}, []string{"rx 1.1 GET h/a 28+0 > 200 39+3 gap", "rx 1.1 GET h/a 28+0 > unanswered", "rx 1.1 > 200 38+3 complete"}, 1},
	} {
		f := newFeed(t, Config{}).both()
		c.run(f)
		out := f.close()
		got := briefs(out)
		if d := cmp.Diff(c.want, got); d != "" || len(out.notes) != c.notes {
			t.Errorf("%s: %s notes %q", c.name, d, out.notes)
		}
	}
}

// TestHide: bytes that a filter suppresses are counted and not shown.
func TestHide(t *testing.T) {
	f := newFeed(t, Config{}).both()
	f.hide = func(r *event.Record) bool { return r.Dir == tx && r.Seq == 1 }
	f.send(rx, get).send(tx, ok3[:38]).send(tx, "abc").send(rx, get).send(tx, ok3)
	out := f.close()
	if got := string(out.payload[tx]); got != ok3[:38]+ok3 {
		t.Errorf("shown %q", got)
	}
	want := "rx 1.1 GET h/a 28+0 > 200 38+3 complete"
	if d := cmp.Diff([]string{want, want}, briefs(out)); d != "" {
		t.Error(d)
	}
}

// A body whose rest was never sent is not complete, whatever its records contained.
func TestUnsentBody(t *testing.T) {
	f := newFeed(t, Config{}).both()
	f.send(event.RX, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	f.send(event.TX, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
	dead := f.record(event.TX, []byte("56789"))
	dead.Unsent = true
	f.write(dead)
	out := f.close()
	if len(out.http) != 1 || out.http[0].End == finding.Complete || out.http[0].Response == nil || out.http[0].Response.BodyLen != 5 {
		t.Errorf("%+v", out.http)
	}
	if n := len(out.records); n != 3 || !out.records[2].Unsent || len(out.records[2].Payload) != 0 {
		t.Errorf("%d records, the last is %+v", n, out.records[n-1])
	}
}

// TestEarlyRequest: a request that was read before the kernel had the key of its direction
// is reported as one that was not seen, once.
func TestEarlyRequest(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	notes := newFeed(t, Config{}).both().send(tx, answer).send(tx, answer).close().notes
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "no request was seen before this response") {
		t.Errorf("notes %q", notes)
	}
	if notes = newFeed(t, Config{}).both().send(rx, "GET / HTTP/1.1\r\n\r\n").send(tx, answer).close().notes; len(notes) > 0 {
		t.Errorf("notes %q", notes)
	}
}
