package inspect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// legs drives a proxy: each of its connections has a letter, lower case for clients, upper
// case for upstream.
type legs struct {
	*feed
	conns map[string]*proxied
}

type proxied struct {
	conn event.Conn
	seq  [2]uint64
	pid  uint32
}

func newLegs(t *testing.T) *legs {
	return &legs{newFeed(t, Config{Join: true}), map[string]*proxied{}}
}

// on makes the next records those of a connection.
func (l *legs) on(name string) *proxied {
	p, ok := l.conns[name]
	if !ok {
		p = &proxied{conn: l.feed.conn, pid: 42}
		p.conn.ID, p.conn.LPort = uint64(len(l.conns)+1), uint16(name[0])
		l.conns[name] = p
		l.feed.conn, l.feed.seq = p.conn, p.seq
		l.both()
	}
	l.feed.conn, l.feed.seq = p.conn, p.seq
	return p
}

func (l *legs) say(name string, d event.Dir, text string) {
	l.t.Helper()
	p := l.on(name)
	r := l.record(d, []byte(text))
	r.Proc.PID = p.pid
	l.write(r)
	p.seq = l.feed.seq
}

func isUpstream(name string) bool { return name == strings.ToUpper(name) }

// ask and answer are a request, and its response, of a leg; fields are whole lines.
func (l *legs) ask(name, line string, fields ...string) {
	l.t.Helper()
	d := event.RX
	if isUpstream(name) {
		d = event.TX
	}
	l.say(name, d, line+" HTTP/1.1\r\nHost: "+name+"\r\n"+strings.Join(append(fields, "\r\n"), "\r\n"))
}

func (l *legs) answer(name string, fields ...string) {
	l.t.Helper()
	d := event.TX
	if isUpstream(name) {
		d = event.RX
	}
	l.say(name, d, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"+strings.Join(append(fields, "\r\n"), "\r\n")+"ok")
}

// reported is the output, a word for each line: "a=A/id" is a request of a to which A's was
// joined, "a?2" one to which two may belong.
func (l *legs) reported() string {
	l.t.Helper()
	for _, name := range []string{"a", "b", "c", "d", "A", "B", "C"} {
		if _, ok := l.conns[name]; ok {
			l.on(name)
			l.write(&event.Socket{State: event.SocketClose, Conn: l.feed.conn})
		}
	}
	if j := l.in.join; j.listed != 0 || len(j.proxies) != 0 {
		l.t.Errorf("%d legs of %d processes are held", j.listed, len(j.proxies))
	}
	var words []string
	for _, h := range l.out.http {
		w := h.Request.Host
		for _, u := range h.Upstream {
			w += fmt.Sprintf("=%s/%v", u.Request.Host, u.By)
		}
		if h.Ambiguous > 0 {
			w += fmt.Sprintf("?%d", h.Ambiguous)
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

func TestJoin(t *testing.T) {
	const id, other = "X-Request-Id: 4f2a", "x-request-id: 77aa"
	const trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-"
	for _, c := range []struct {
		name string
		play func(l *legs)
		want string
	}{
		{"one at a time", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("A", "GET /x")
			l.answer("A")
			l.answer("a")
			l.ask("a", "GET /y")
			l.ask("A", "GET /y")
			l.answer("A")
			l.answer("a")
		}, "a=A/order a=A/order"},
		{"a path with something before it", func(l *legs) {
			l.ask("a", "GET /x?q=1")
			l.ask("A", "GET /app/x?q=1")
			l.answer("A")
			l.answer("a")
		}, "a=A/order"},
		{"another path", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("A", "GET /healthy")
			l.answer("A")
			l.answer("a")
		}, "A a"},
		{"paths that end alike", func(l *legs) {
			l.ask("a", "GET /x/")
			l.ask("A", "GET /")
			l.answer("A")
			l.answer("a")
			l.ask("b", "GET /login?next=/x")
			l.ask("B", "GET /x")
			l.answer("B")
			l.answer("b")
		}, "A a B b"},
		{"the root", func(l *legs) {
			l.ask("a", "GET /")
			l.ask("A", "GET /")
			l.answer("A")
			l.answer("a")
		}, "a=A/order"},
		{"another method", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("A", "POST /x", "Content-Length: 0")
			l.answer("A")
			l.answer("a")
		}, "A a"},
		{"two tries", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("A", "GET /x")
			l.answer("A")
			l.ask("B", "GET /x")
			l.answer("B")
			l.answer("a")
		}, "a=A/order=B/order"},
		{"at once, of other paths", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("b", "GET /y")
			l.ask("A", "GET /y")
			l.ask("B", "GET /x")
			l.answer("A")
			l.answer("B")
			l.answer("a")
			l.answer("b")
		}, "a=B/order b=A/order"},
		{"at once, of the same path", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("b", "GET /x")
			l.ask("A", "GET /x")
			l.answer("A")
			l.answer("a")
			l.answer("b")
		}, "a?1 b?1 A?2"},
		{"at once, of the same path, with ids", func(l *legs) {
			l.ask("a", "GET /x", id)
			l.ask("b", "GET /x", other)
			l.ask("A", "GET /x", other)
			l.ask("B", "GET /x", id)
			l.answer("B")
			l.answer("A")
			l.answer("a")
			l.answer("b")
		}, "a=B/id b=A/id"},
		{"an id and a path that is rewritten", func(l *legs) {
			l.ask("a", "GET /x", trace+"b7ad6b7169203331-01")
			l.ask("A", "GET /backend?path=x", trace+"00f067aa0ba902b7-01")
			l.answer("A")
			l.answer("a")
		}, "a=A/id"},
		{"one trace of two requests", func(l *legs) {
			l.ask("a", "GET /x", trace+"b7ad6b7169203331-01")
			l.ask("b", "GET /y", trace+"b7ad6b7169203332-01")
			l.ask("A", "GET /y", trace+"00f067aa0ba902b7-01")
			l.answer("A")
			l.answer("a")
			l.answer("b")
		}, "a b=A/id"},
		{"one trace of two equal requests", func(l *legs) {
			l.ask("a", "GET /x", trace+"b7ad6b7169203331-01")
			l.ask("b", "GET /x", trace+"b7ad6b7169203332-01")
			l.ask("A", "GET /x", trace+"00f067aa0ba902b7-01")
			l.answer("A")
			l.answer("a")
			l.answer("b")
		}, "a?1 b?1 A?2"},
		{"an id that only the answer has", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("b", "GET /x")
			l.ask("A", "GET /x", id)
			l.answer("A")
			l.answer("a", id)
			l.answer("b")
		}, "a=A/id b"},
		{"an id that only the answer has, behind another's", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("A", "GET /x") // a waits for it
			l.ask("b", "GET /x")
			l.ask("B", "GET /x", id)
			l.answer("a")
			l.answer("B")
			l.answer("b", id)
			l.answer("A")
		}, "b=B/id a=A/order"},
		{"an id that only the answers have, of one", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("A", "GET /x", id)
			l.answer("A")
			l.answer("a", id)
			l.ask("b", "GET /x")
			l.ask("B", "GET /x")
			l.answer("b", other)
			l.answer("B", other)
		}, "a=A/id b=B/id"},
		{"ids that only the answers have, of several at once", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("b", "GET /x")
			l.ask("c", "GET /x")
			l.ask("A", "GET /x", id)
			l.ask("B", "GET /x", other)
			l.ask("C", "GET /x", "X-Request-Id: 0c")
			l.answer("A")
			l.answer("a", id)
			l.answer("B")
			l.answer("b", other)
			l.answer("C")
			l.answer("c", "X-Request-Id: 0c")
		}, "a=A/id b=B/id c=C/id"},
		{"an id of an answer that comes behind the client's", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("b", "GET /x")
			l.ask("A", "GET /x")
			l.answer("a", id)
			l.answer("b", other)
			l.answer("A", other)
		}, "a b=A/id"},
		{"one was alone when its other leg began", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("A", "GET /x")
			l.ask("b", "GET /x")
			l.ask("B", "GET /x") // of b, or another try of a
			l.answer("A")
			l.answer("a")
			l.answer("B")
			l.answer("b")
		}, "a=A/order?1 b?1 B?2"},
		{"the client's ends first", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("A", "GET /x")
			l.answer("a")
			l.answer("A")
		}, "a=A/order"},
		{"no answer", func(l *legs) {
			l.ask("a", "GET /x")
			l.ask("A", "GET /x")
		}, "a=A/order"},
		{"nobody asked the proxy", func(l *legs) {
			l.ask("A", "GET /x")
			l.answer("A")
		}, "A"},
		{"another process", func(l *legs) {
			l.ask("a", "GET /x")
			l.on("A").pid = 43
			l.ask("A", "GET /x")
			l.answer("A")
			l.answer("a")
		}, "A a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLegs(t)
			c.play(l)
			if got := l.reported(); got != c.want {
				t.Errorf("reported %q, want %q", got, c.want)
			}
		})
	}
}

// Records come a microsecond apart: the proxy takes the time that no server does.
func TestJoinedTimes(t *testing.T) {
	l := newLegs(t)
	l.ask("a", "GET /x") // 1
	l.ask("A", "GET /x") // 2
	l.answer("A")        // 3
	l.ask("B", "GET /x") // 4
	l.say("c", event.RX, "GET /z HTTP/1.1\r\n\r\n")
	l.answer("B") // 6
	l.answer("a") // 7
	l.reported()
	h := l.out.http[0]
	if h.Duration != 6000 || h.Added != 3000 || len(h.Upstream) != 2 || h.Upstream[0].After != 1000 || h.Upstream[1].After != 3000 {
		t.Errorf("%+v", h)
	}
}

// If there is no room for all requests in progress, an upstream request may belong to one
// that is not listed: only an id can join it.
func TestJoinWithoutRoom(t *testing.T) {
	l := newLegs(t)
	l.ask("a", "GET /x")
	l.in.join.listed += maxLegs
	l.ask("b", "GET /x")
	l.in.join.listed -= maxLegs
	l.ask("A", "GET /x")
	l.answer("A")
	l.answer("b")
	l.ask("B", "GET /x")
	l.answer("B")
	l.answer("a")
	if got, want := l.reported(), "A b a=B/order"; got != want {
		t.Errorf("reported %q, want %q", got, want)
	}
}

// If too many requests are possible, only an id joins.
func TestJoinTooMany(t *testing.T) {
	l := newLegs(t)
	for i := range maxMeant + 1 {
		l.ask(fmt.Sprintf("a%d", i), "GET /x", fmt.Sprintf("X-Request-Id: %d", i))
	}
	l.ask("A", "GET /x")
	l.answer("A")
	l.ask("B", "GET /x", "X-Request-Id: 7")
	l.answer("B")
	l.write(&event.Summary{})
	if got := l.reported(); !strings.HasPrefix(got, "A a0 ") || !strings.Contains(got, " a7=B/id ") || strings.ContainsAny(got, "?C") {
		t.Errorf("reported %q", got)
	}
}

// BenchmarkJoin is a proxy with the largest listed number of clients, each with a path of
// its own.
func BenchmarkJoin(b *testing.B) {
	request := func(d event.Dir, i int) *exchange {
		ex := &exchange{}
		ex.ev.Proc.PID, ex.ev.Dir = 42, d
		ex.ev.Request = &finding.Request{Method: "GET", Path: fmt.Sprintf("/x/%d", i)}
		return ex
	}
	for b.Loop() {
		j, s := newJoiner(), &stream{}
		var all []*exchange
		for i := range maxLegs / 2 {
			c, u := request(event.RX, i), request(event.TX, i)
			j.addRequest(c)
			j.addRequest(u)
			all = append(all, c, u)
		}
		for _, ex := range all {
			j.over(s, ex)
		}
		if j.listed != 0 || len(s.queue) != maxLegs/2 {
			b.Fatal(j.listed, len(s.queue))
		}
	}
}
