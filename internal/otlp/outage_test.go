package otlp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// oneSafeLine checks that there was one notice, with the receiver's text, and without its
// escape sequences.
func oneSafeLine(t *testing.T, lines *reported, words string) {
	t.Helper()
	all := lines.all()
	if len(all) != 1 || !strings.Contains(all[0], words) || strings.ContainsAny(all[0], "\x1b\n") {
		t.Errorf("logged %q, want one line with %q", all, words)
	}
}

// opens writes n events that no guard holds back, and numbers them.
func opens(p *Push, from, n int) {
	for i := range n {
		p.Write(&event.Socket{State: event.SocketOpen, Conn: event.Conn{ID: uint64(from + i + 1), Cookie: uint64(from + i + 1)}})
	}
}

// cookies are those of the open events that arrived.
func (c *collector) cookies() map[int64]int {
	seen := map[int64]int{}
	for _, r := range c.named(connectionOpen) {
		seen[attributesOf(r.Attributes)["ktls.socket.cookie"].(int64)]++
	}
	return seen
}

// lostCount adds up the losses that are reported to the receiver.
func (c *collector) lostCount() (n int64) {
	for _, r := range c.named(traceLost) {
		if a := attributesOf(r.Attributes); a["ktls.lost.cause"] == "otlp_undelivered" {
			n += a["ktls.count"].(int64)
		}
	}
	return n
}

// A receiver that is away for some time: all events arrive once it is back.
func TestReceiverComesBack(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	for name, fail := range map[string]func(http.ResponseWriter, *http.Request){
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"429":       func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "later", http.StatusTooManyRequests) },
		"502":       func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "later", http.StatusBadGateway) },
		"503": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "later", http.StatusServiceUnavailable)
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			c := startCollector(t, func(w http.ResponseWriter, r *http.Request) bool {
				if requests.Add(1) > 3 {
					return true
				}
				io.Copy(io.Discard, r.Body)
				fail(w, r)
				return false
			})
			p, _ := startPush(t, Config{Connections: true})
			opens(p, 0, 100)
			eventually(t, "all events come", func() bool { return len(c.cookies()) == 100 })
			if p.logs.Load() != 0 || len(c.named(traceLost)) != 0 {
				t.Errorf("%d events are counted as lost", p.logs.Load())
			}
		})
	}
}

// A receiver that is not there at first, and accepts no connection.
func TestReceiverNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c := startCollector(t, nil)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+address)
	p, lines := startPush(t, Config{Connections: true})
	opens(p, 0, 10)
	eventually(t, "a notice appears", func() bool { return len(lines.all()) > 0 })
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Skip("somebody else has taken the port: ", err)
	}
	late := &http.Server{Handler: http.HandlerFunc(c.serve)}
	defer late.Close()
	go late.Serve(listener)
	eventually(t, "all events come", func() bool { return len(c.cookies()) == 10 })
	oneSafeLine(t, lines, "refused")
}

// Events that are not accepted, or have no room, are counted, and the receiver gets the count
// later.
func TestQueueFull(t *testing.T) {
	released, release := context.WithCancel(t.Context())
	c := startCollector(t, func(http.ResponseWriter, *http.Request) bool {
		<-released.Done()
		return true
	})
	t.Cleanup(release) // before the server's own end, which waits for it
	t.Setenv(envQueueSize, "50")
	t.Setenv(envBatchSize, "50")
	p, _ := startPush(t, Config{Connections: true})
	opens(p, 0, 1000) // returns, though nothing is accepted
	lost := p.logs.Load()
	// 50 wait, and 50 may be in a request.
	if lost < 900 || lost > 950 {
		t.Fatalf("%d of 1000 are lost", lost)
	}
	release()
	eventually(t, "the receiver gets the number of what it did not get", func() bool { return c.lostCount() == int64(lost) })
	if got := len(c.cookies()); got != 1000-int(lost) {
		t.Errorf("%d came and %d were lost, of 1000", got, lost)
	}
}

// Events that a receiver rejects for good are lost, counted and reported, and later ones are
// sent.
func TestRefused(t *testing.T) {
	var refuse atomic.Bool
	refuse.Store(true)
	c := startCollector(t, func(w http.ResponseWriter, _ *http.Request) bool {
		if !refuse.Load() {
			return true
		}
		http.Error(w, "no such\x1b]0;title\atenant\n"+strings.Repeat("long ", 1000), http.StatusBadRequest)
		return false
	})
	p, lines := startPush(t, Config{Connections: true})
	opens(p, 0, 7)
	eventually(t, "the refused are counted", func() bool { return p.logs.Load() == 7 })
	oneSafeLine(t, lines, "tenant")
	if len(lines.all()[0]) > 2*maxNoticeBytes {
		t.Errorf("a line of %d bytes", len(lines.all()[0]))
	}
	refuse.Store(false)
	opens(p, 7, 3)
	eventually(t, "the receiver gets the number", func() bool { return c.lostCount() == 7 })
	if got := c.cookies(); len(got) != 3 {
		t.Errorf("%v came", got)
	}
}

// partialAnswer is an ExportLogsServiceResponse (collector/logs/v1): partial_success is field
// 1, and in it rejected_log_records 1 and error_message 2. A field that is not known yet
// precedes it.
func partialAnswer(rejected int64, message string) []byte {
	part := protowire.AppendFixed32(protowire.AppendTag(nil, 9, protowire.Fixed32Type), 7)
	part = protowire.AppendVarint(protowire.AppendTag(part, 1, protowire.VarintType), uint64(rejected))
	part = protowire.AppendString(protowire.AppendTag(part, 2, protowire.BytesType), message)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), part)
}

// A receiver that accepts a part reports how many it rejected.
func TestPartialSuccess(t *testing.T) {
	for name, test := range map[string]struct{ says, lost int64 }{
		"some": {2, 2}, "none, with words": {0, 0}, "more than there were": {1000, 5}, "nonsense": {-7, 0},
	} {
		t.Run(name, func(t *testing.T) {
			answer := partialAnswer(test.says, "too old\x1b[31m")
			startCollector(t, func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", "application/x-protobuf")
				w.Write(answer)
				return false
			})
			p, lines := startPush(t, Config{Connections: true})
			opens(p, 0, 5)
			eventually(t, "a notice appears", func() bool { return len(lines.all()) > 0 })
			oneSafeLine(t, lines, "too old")
			p.Close()
			if got := int64(p.logs.Load()); got != test.lost {
				t.Errorf("%d are counted as lost, want %d", got, test.lost)
			}
		})
	}
}

// A garbled response: it is not known whether the events were accepted, so they count.
func TestGarbage(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"no protobuf": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			w.Write([]byte("\xff\xff\xff\xff garbage \x1b[2J"))
		},
		"a long answer": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusTeapot)
			for range 80 {
				w.Write(make([]byte, 1<<16))
			}
		},
		"elsewhere": func(w http.ResponseWriter) {
			w.Header().Set("Location", "/v1/metrics")
			w.WriteHeader(http.StatusFound)
		},
		"404": func(w http.ResponseWriter) { http.Error(w, "not here", http.StatusNotFound) },
	} {
		t.Run(name, func(t *testing.T) {
			startCollector(t, func(w http.ResponseWriter, r *http.Request) bool {
				io.Copy(io.Discard, r.Body)
				answer(w)
				return false
			})
			p, lines := startPush(t, Config{Connections: true})
			opens(p, 0, 5)
			eventually(t, "the events are counted as lost", func() bool { return p.logs.Load() == 5 })
			oneSafeLine(t, lines, "OTLP: ")
		})
	}
}

// A receiver that never responds: the end is in time, and reports the undelivered events.
func TestCloseInTime(t *testing.T) {
	release := make(chan struct{})
	startCollector(t, func(http.ResponseWriter, *http.Request) bool {
		<-release
		return false
	})
	t.Cleanup(func() { close(release) }) // before the server's own end, which waits for it
	p, _ := startPush(t, Config{Connections: true, closeTime: 100 * time.Millisecond})
	opens(p, 0, 20)
	begin := time.Now()
	err := p.Close()
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("the end took %v", took)
	}
	var left *UndeliveredError
	if !errors.As(err, &left) || left.Events != 20 || p.logs.Load() != 20 {
		t.Errorf("the end says %v, and %d are counted, of 20", err, p.logs.Load())
	}
	if again := p.Close(); again != err {
		t.Errorf("the second end says %v", again)
	}
	opens(p, 20, 1) // too late, and no panic
	if p.logs.Load() != 21 {
		t.Errorf("what comes after the end is not counted: %d", p.logs.Load())
	}
}

// The end does not wait for the next attempt, but makes it at once.
func TestCloseTriesAgain(t *testing.T) {
	var requests atomic.Int32
	c := startCollector(t, func(w http.ResponseWriter, _ *http.Request) bool {
		if requests.Add(1) > 1 {
			return true
		}
		w.Header().Set("Retry-After", "30")
		http.Error(w, "later", http.StatusServiceUnavailable)
		return false
	})
	p, lines := startPush(t, Config{Connections: true, closeTime: time.Hour})
	opens(p, 0, 3)
	eventually(t, "the first attempt fails", func() bool { return len(lines.all()) > 0 })
	if err := p.Close(); err != nil || len(c.cookies()) != 3 || requests.Load() != 2 {
		t.Errorf("%v, and %d of 3 came by %d requests", err, len(c.cookies()), requests.Load())
	}
}

// A receiver that is not there does not delay the end.
func TestCloseWithoutReceiver(t *testing.T) {
	c := startCollector(t, nil)
	c.Server.Close()
	p, _ := startPush(t, Config{Connections: true, closeTime: time.Hour})
	opens(p, 0, 3)
	var left *UndeliveredError
	if err := p.Close(); !errors.As(err, &left) || left.Events != 3 {
		t.Errorf("the end says %v", err)
	}
}

// The end sends queued and held-back events.
func TestCloseSends(t *testing.T) {
	c := startCollector(t, nil)
	t.Setenv(envBatchDelay, "600000")
	p, _ := startPush(t, Config{})
	for range perSecond + 5 {
		p.Write(&event.Error{Errno: 74, Func: "tls_rx_one_record"})
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, r := range c.named(recordError) {
		sum += attributesOf(r.Attributes)["ktls.count"].(int64)
	}
	if len(c.named(recordError)) != perSecond+1 || sum != perSecond+5 {
		t.Errorf("%d events that stand for %d", len(c.named(recordError)), sum)
	}
}

// The headers and compression of the environment are used.
func TestHeaders(t *testing.T) {
	c := startCollector(t, nil)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20c2VjcmV0")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	p, _ := startPush(t, Config{Connections: true})
	opens(p, 0, 1)
	eventually(t, "an event comes", func() bool { return len(c.records()) == 1 })
	h := c.headers[0]
	if h.Get("Authorization") != "Basic c2VjcmV0" || h.Get("Content-Encoding") != "gzip" {
		t.Errorf("%v", h)
	}
}

// Many events from many goroutines arrive, each goroutine's in order, and none is missing.
func TestManyWriters(t *testing.T) {
	c := startCollector(t, nil)
	t.Setenv(envQueueSize, "8000")
	p, _ := startPush(t, Config{Connections: true})
	for g := range 8 {
		t.Run(strconv.Itoa(g), func(t *testing.T) {
			t.Parallel()
			opens(p, g*500, 500)
		})
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if got := c.cookies(); len(got) != 4000 {
			t.Errorf("%d of 4000 came", len(got))
		}
	})
}
