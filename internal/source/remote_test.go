package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

const (
	hereText = `{"v":1,"type":"host","ts":"2026-11-22T18:10:00.000000000Z","mono_ns":1000,"host":"web1","state":"here","kernel":"6.12","version":"0.9","filter":"","tier":"none","missing_hooks":[]}` + "\n"
	lostText = `{"v":1,"type":"lost","ts":"2026-11-22T18:10:01.000000000Z","mono_ns":1000001000,"cause":"ring_full","count":%d}` + "\n"
	endText  = `{"v":1,"type":"summary","ts":"2026-11-22T18:10:02.000000000Z","mono_ns":2000001000,"tier":"none"}` + "\n"
)

// serve answers the n-th request, from 0 on, by what answer writes.
func serve(t *testing.T, answer func(n int32, w http.ResponseWriter, req *http.Request)) *httptest.Server {
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", event.FeedType)
		answer(n.Add(1)-1, w, req)
	}))
	t.Cleanup(s.Close)
	return s
}

func remote(t *testing.T, address string, cfg RemoteConfig) *Remote {
	t.Helper()
	cfg.Backoff = time.Millisecond
	r, err := NewRemote(address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.leave)
	return r
}

// say is an event in a few words.
func say(ev event.Event) string {
	switch ev := ev.(type) {
	case *event.Host:
		if ev.State == event.HostHere && ev.Away > 0 {
			return ev.Name + " back"
		}
		return ev.Name + " " + ev.State.String()
	case *event.Lost:
		return fmt.Sprint("lost ", ev.Count)
	}
	return fmt.Sprintf("%T", ev)
}

// TestRemoteComesBack: a host that goes away is reported once, asked again until it is
// back, and the time between is reported as what it is.
func TestRemoteComesBack(t *testing.T) {
	s := serve(t, func(n int32, w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user != "u" || password != "p" || req.URL.Path != "/v1/events" || req.URL.Query().Get("comm") != "nginx" {
			t.Errorf("asked for %s by %s:%s", req.URL, user, password)
		}
		switch n {
		case 1, 2:
			http.Error(w, "no hooks", http.StatusServiceUnavailable)
			return
		case 3:
			fmt.Fprint(w, "garbage\n")
			return
		}
		fmt.Fprint(w, hereText, hereText, "\n", fmt.Sprintf(lostText, n), endText)
	})
	address := strings.Replace(s.URL, "http://", "http://u:p@", 1)
	r := remote(t, address, RemoteConfig{Query: url.Values{"comm": {"nginx"}}})
	for i, want := range []string{"web1 here", "lost 0", "web1 away", "web1 back", "lost 4", "web1 away"} {
		ev, err := r.Next(t.Context())
		if err != nil || say(ev) != want {
			t.Fatalf("event %d: %v, want %s (%v)", i, ev, want, err)
		}
		if h, ok := ev.(*event.Host); ok && h.State == event.HostAway && h.Reason != "its ktlstop serve ended the feed" {
			t.Errorf("away: %s", h.Reason)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ev, err := r.Next(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("%v, %v after the end", ev, err)
	}
}

// TestRemoteRefuses: what is no feed is said in one line, from the start.
func TestRemoteRefuses(t *testing.T) {
	quiet := make(chan struct{})
	defer close(quiet)
	long := strings.Repeat("x", maxLine+1)
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"password":     {func(w http.ResponseWriter) { w.WriteHeader(401) }, "401: user or password missing or wrong (--read-user-file FILE)"},
		"elsewhere":    {func(w http.ResponseWriter) { w.Header().Set("Location", "file:///etc/shadow"); w.WriteHeader(302) }, "where nobody follows"},
		"not there":    {func(w http.ResponseWriter) { http.Error(w, "no \x1b[2Jsuch page\nmore", 404) }, "404: no"},
		"another":      {func(w http.ResponseWriter) { w.WriteHeader(400); fmt.Fprint(w, "<html>\r\n<head>") }, "400: Bad Request: is this ktlstop serve?"},
		"a page":       {func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html"); fmt.Fprint(w, "<html>") }, "text/html"},
		"nothing":      {func(w http.ResponseWriter) {}, "broke off"},
		"garbage":      {func(w http.ResponseWriter) { fmt.Fprint(w, "hello\n") }, "line 1"},
		"endless line": {func(w http.ResponseWriter) { fmt.Fprint(w, long) }, "longer than"},
		"no host":      {func(w http.ResponseWriter) { fmt.Fprintf(w, lostText, 1) }, "does not say which host"},
		"cut":          {func(w http.ResponseWriter) { fmt.Fprint(w, hereText[:40]) }, "broke off"},
		"plaintext":    {func(w http.ResponseWriter) { fmt.Fprint(w, strings.Replace(hereText, `"none"`, `"snap"`, 1)) }, "plaintext"},
		"long name":    {func(w http.ResponseWriter) { fmt.Fprint(w, strings.Replace(hereText, "web1", long[:300], 1)) }, "host is 300 bytes long"},
		"silence":      {func(w http.ResponseWriter) { http.NewResponseController(w).Flush(); <-quiet }, "nothing came for"},
	} {
		s := serve(t, func(_ int32, w http.ResponseWriter, _ *http.Request) { c.answer(w) })
		cfg := RemoteConfig{}
		if name == "silence" {
			cfg.Silence = 50 * time.Millisecond
		}
		ev, err := remote(t, s.URL, cfg).Next(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v", name, ev, err)
		}
	}
}

// TestRemoteSpeaksTheOther: the address of one who has taken https for http, or the reverse.
func TestRemoteSpeaksTheOther(t *testing.T) {
	plain := serve(t, func(_ int32, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, hereText) })
	secret := httptest.NewUnstartedServer(plain.Config.Handler)
	secret.Config.ErrorLog = log.New(io.Discard, "", 0)
	secret.StartTLS()
	defer secret.Close()
	alerts := listen(t, "\x15\x03\x01\x00\x02\x02\x46") // OpenSSL's answer to plaintext
	ssh := listen(t, "SSH-2.0-x\r\n")
	for address, want := range map[string]string{
		strings.Replace(plain.URL, "http:", "https:", 1): "it speaks no TLS: " + plain.URL + "?",
		"https://" + ssh: "it speaks no TLS: http://" + ssh + "?",
		strings.Replace(secret.URL, "https:", "http:", 1): "it speaks TLS: " + secret.URL + "?",
		"http://" + alerts: "it speaks TLS: https://" + alerts + "?",
	} {
		if _, err := remote(t, address, RemoteConfig{}).Next(t.Context()); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
}

// listen returns the address of who takes connections, and answers each with the same word, or with nothing.
func listen(t *testing.T, word string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096)) // the request, or a ClientHello
				if _, _ = io.WriteString(c, word); word == "" {
					_, _ = io.Copy(io.Discard, c) // until the other end leaves
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// TestRemoteWaits: a host that takes the connection and never answers is reported once, and given up.
func TestRemoteWaits(t *testing.T) {
	for _, scheme := range []string{"http://", "https://"} {
		address := listen(t, "")
		waits := make(chan string, 10)
		r := remote(t, scheme+address, RemoteConfig{Silence: time.Second, WaitsAfter: time.Millisecond, Waits: func(host string) { waits <- host }})
		if _, err := r.Next(t.Context()); err == nil || err.Error() != "no answer for 1s" {
			t.Errorf("%s: %v", scheme, err)
		}
		if len(waits) != 1 || <-waits != address {
			t.Errorf("%s: it was reported %d times", scheme, len(waits))
		}
	}
}

// TestRemoteLosesAFeedThatTurnsBad: what comes after a good begin makes the host away,
// and nothing else.
func TestRemoteLosesAFeedThatTurnsBad(t *testing.T) {
	payload := `{"v":1,"type":"record","ts":"2026-11-22T18:10:01Z","mono_ns":5,"dir":"tx","sock":{"cookie":1},"tier":"none","payload":{"len":1,"data":"eA=="}}` + "\n"
	for want, bad := range map[string]string{
		"line 2": "{\n", "plaintext": payload, "says that it is away": strings.Replace(hereText, `"here"`, `"away"`, 1),
		"no record holds more than": strings.Replace(payload, "eA==", strings.Repeat("eHh4", 6000), 1),
	} {
		s := serve(t, func(n int32, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, hereText, bad) })
		r := remote(t, s.URL, RemoteConfig{})
		if _, err := r.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		ev, err := r.Next(t.Context())
		if h, ok := ev.(*event.Host); err != nil || !ok || h.State != event.HostAway || !strings.Contains(h.Reason, want) {
			t.Errorf("%s: %+v, %v", want, ev, err)
		}
	}
}

// askedBy is a host that answers each request by a feed of its own, and notes when it came.
type askedBy struct {
	feed func(n int) io.ReadCloser
	at   []time.Time
}

// RoundTrip implements http.RoundTripper.
func (a *askedBy) RoundTrip(*http.Request) (*http.Response, error) {
	a.at = append(a.at, time.Now())
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {event.FeedType}}, Body: a.feed(len(a.at) - 1)}, nil
}

// pauses returns the seconds between the end of each feed and the next request. feeds has
// how long those feeds took that did not end at once.
func (a *askedBy) pauses(feeds map[int]time.Duration) (out []float64) {
	for i := 1; i < len(a.at); i++ {
		out = append(out, (a.at[i].Sub(a.at[i-1]) - feeds[i-1]).Seconds())
	}
	return out
}

// TestRemotePausesGrow while each feed turns bad right after a good first line, and start
// again after one that was good for a while.
func TestRemotePausesGrow(t *testing.T) {
	const good, lasts = 7, 6 * time.Second // the feed that lasts, and for how long
	synctest.Test(t, func(t *testing.T) {
		host := &askedBy{feed: func(n int) io.ReadCloser {
			if n != good {
				return io.NopCloser(strings.NewReader(hereText + "garbage\n"))
			}
			in, out := io.Pipe()
			go func() {
				fmt.Fprint(out, hereText)
				time.Sleep(lasts) // of synctest's clock
				fmt.Fprint(out, hereText, "garbage\n")
			}()
			return in
		}}
		r, err := NewRemote("http://h", RemoteConfig{})
		if err != nil {
			t.Fatal(err)
		}
		r.client.Transport = host
		for len(host.at) < 11 {
			if _, err := r.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r.leave()
		got := host.pauses(map[int]time.Duration{good: lasts})
		least := []float64{1, 2, 4, 8, 16, 30, 30, 1, 2, 4}
		most := []float64{1.25, 3.2, 7.9, 19.6, 37.6, 37.6, 37.6, 1.25, 3.2, 7.9} // each a quarter longer at most
		for i := range least {
			if got[i] < least[i] || got[i] > most[i] {
				t.Errorf("pause %d is %.2f s, want %v to %v: %.1f", i, got[i], least[i], most[i], got)
			}
		}
	})
}

// TestRemoteBoundsCauses over all that one host sends, however often it starts again.
func TestRemoteBoundsCauses(t *testing.T) {
	s := serve(t, func(n int32, w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, hereText)
		for i := range 40 {
			fmt.Fprint(w, strings.Replace(fmt.Sprintf(lostText, 1), "ring_full", fmt.Sprintf("c%d-%d", n, i), 1))
		}
	})
	r := remote(t, s.URL, RemoteConfig{})
	reported := 0
	for aways := 0; aways < 4; {
		ev, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch say(ev) {
		case "lost 1":
			reported++
		case "web1 away":
			aways++
		}
	}
	if reported != maxCauses {
		t.Errorf("%d causes", reported)
	}
}

// TestOnlyTheHostIsSilent: while whoever reads takes his time, the stream stays.
func TestOnlyTheHostIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := io.Pipe()
		s := &stream{Reader: NewReader(in), body: in, quiet: time.Minute}
		s.silence = time.AfterFunc(s.quiet, func() { in.CloseWithError(context.Canceled) })
		go func() {
			for range 3 {
				fmt.Fprintf(out, lostText, 1)
			}
		}()
		for i := range 3 {
			if _, err := s.next(); err != nil {
				t.Fatalf("event %d: %v", i, err)
			}
			time.Sleep(2 * s.quiet) // of synctest's clock: the output is slow
		}
		if ev, err := s.next(); err == nil || err.Error() != "nothing came for 1m0s" {
			t.Errorf("of a silent host: %v, %v", ev, err)
		}
	})
}

// TestRemoteIsPatient where it is one of several: nobody there is no error.
func TestRemoteIsPatient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	if _, err := remote(t, address, RemoteConfig{}).Next(t.Context()); err == nil {
		t.Error("no error of one alone")
	}
	ev, err := remote(t, address, RemoteConfig{Patient: true}).Next(t.Context())
	if h, ok := ev.(*event.Host); err != nil || !ok || h.State != event.HostAway || h.Name != l.Addr().String() {
		t.Errorf("%+v, %v", ev, err)
	}
}

func TestRemoteAddresses(t *testing.T) {
	for _, bad := range []string{"http://", "https://u:p@", "http://[::1"} {
		if _, err := NewRemote(bad, RemoteConfig{}); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	r, err := NewRemote("HTTPS://u:p@h:1/x?comm=a#f", RemoteConfig{Query: url.Values{"comm": {"b"}}})
	if err != nil || r.address.String() != "https://h:1/x?comm=a&comm=b" || r.Address() != "h:1" {
		t.Errorf("%v, %v", r, err)
	}
	if !IsURL("HTTP://x") || IsURL("httpd.jsonl") || IsURL("ftp://x") {
		t.Error("what is an address")
	}
}

// TestMerge: recordings of two hosts in the order of the wall clock, with connections
// of the same numbers kept apart.
func TestMerge(t *testing.T) {
	line := `{"v":1,"type":"socket","ts":"2026-11-22T18:10:%02dZ","mono_ns":%d,"state":"open","dir":"tx","sock":{"cookie":1}}` + "\n"
	open := func(seconds, mono int) *Reader {
		text := fmt.Sprintf(line, seconds, mono) + fmt.Sprintf(line, seconds+2, mono+2e9)
		r := NewReader(strings.NewReader(text))
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		again := NewReader(strings.NewReader(text))
		again.offset = r.offset
		return again
	}
	m := NewMerge([]*Reader{open(0, 5e9), open(1, 900e9)}, []string{"a", "b"})
	ids := map[string]uint64{}
	for i, want := range []string{"a 5", "b 6", "a 7", "b 8"} {
		ev, err := m.Next()
		if err != nil {
			t.Fatal(err)
		}
		s := ev.(*event.Socket)
		if got := fmt.Sprint(s.Conn.Host, " ", s.Mono/1e9); got != want {
			t.Errorf("event %d is %s, want %s", i, got, want)
		}
		if old := ids[s.Conn.Host]; old != 0 && old != s.Conn.ID {
			t.Errorf("%s has two numbers for one connection", s.Conn.Host)
		}
		ids[s.Conn.Host] = s.Conn.ID
	}
	if ids["a"] == ids["b"] {
		t.Error("connections of two hosts have one number")
	}
	if _, err := m.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
