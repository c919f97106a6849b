package source

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// RemoteConfig says how a Remote reads. Zero values have defaults.
type RemoteConfig struct {
	// User is who reads, if the address does not say it.
	User *url.Userinfo
	// Query is what is asked for besides: match, comm.
	Query url.Values
	// Patient takes a host that cannot be reached at first like one that is lost later.
	Patient bool
	// Silence is how long nothing may come until the host counts as away, 45 s if 0:
	// a feed reports itself every ten seconds.
	Silence time.Duration
	// Waits, if not nil, is called when a host that has never answered has not for WaitsAfter,
	// 3 s if 0. Any goroutine may call it.
	Waits      func(host string)
	WaitsAfter time.Duration
	// Backoff is how long to wait before the host is asked again, 1 s if 0: twice as
	// long each time, up to thirty times, until a feed has been good for Settled.
	Backoff time.Duration
	// Settled is how long a feed has to send good lines until the next wait is Backoff
	// again, 5 s if 0.
	Settled time.Duration
}

// Remote reads the feed of ktlstop serve on another host. When it ends, the host is
// away, and is asked again until it is back. What comes may come from anybody.
type Remote struct {
	cfg     RemoteConfig
	address url.URL
	name    string
	client  *http.Client

	stream    *stream // nil while the host is away
	causes    map[string]bool
	host      event.Host // as it called itself last
	contacted bool       // it did
	away      time.Time  // since when, zero while it is here
	pause     time.Duration
	since     time.Time // when its present feed began

	mono   uint64    // of the last line
	at     time.Time // when that came
	offset int64
}

// stream is one answer of the host.
type stream struct {
	*Reader
	body    io.Closer
	cancel  func()
	silence *time.Timer // runs while next waits for the host
	quiet   time.Duration
	silent  bool   // it was given up since nothing came
	why     string // it said that it would end
}

// IsURL reports whether what --read takes is no file.
func IsURL(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

// NewRemote returns a Remote of an address, which need not say where on the host the
// feed is. It does not ask the host yet.
func NewRemote(address string, cfg RemoteConfig) (*Remote, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no address: it is to be like https://HOST:9998%s", redact(address), event.FeedPath)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = event.FeedPath
	}
	query := u.Query()
	for name, values := range cfg.Query {
		query[name] = append(query[name], values...)
	}
	u.RawQuery, u.Fragment = query.Encode(), ""
	if u.User != nil {
		cfg.User = u.User
		u.User = nil
	}
	cfg.Silence, cfg.Backoff = cmp.Or(cfg.Silence, 45*time.Second), cmp.Or(cfg.Backoff, time.Second)
	cfg.WaitsAfter, cfg.Settled = cmp.Or(cfg.WaitsAfter, 3*time.Second), cmp.Or(cfg.Settled, 5*time.Second)
	return &Remote{cfg: cfg, address: *u, name: u.Host, client: newClient(cfg.Silence), causes: map[string]bool{}}, nil
}

// redact leaves out what stands before an @, which may be a password.
func redact(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// newClient goes where it is sent and nowhere else. How long each step may take is all in
// RemoteConfig.Silence: the answer begins when the host's hooks are live, which may take a while.
func newClient(silence time.Duration) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSHandshakeTimeout = 2 * silence // of one that nobody waits for any more
	t.DisableCompression = true
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Address is where the host is, host and port.
func (r *Remote) Address() string { return r.name }

// Offset is the wall clock time of the last line minus its monotonic time: that of the
// host, or while nothing is known of it this machine's.
func (r *Remote) Offset(uint64) int64 {
	if r.at.IsZero() {
		return time.Now().UnixNano()
	}
	return r.offset
}

// Next returns the next event of the host, or a Host event where it is here, away, or
// here again. It waits as long as that takes, and returns io.EOF when ctx ends. Any
// other error is that the host could not be read from the start.
func (r *Remote) Next(ctx context.Context) (event.Event, error) {
	for ctx.Err() == nil {
		ev, err := r.step(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil && !r.contacted && !r.cfg.Patient:
			r.leave()
			return nil, err
		case err != nil:
			if ev := r.lose(err); ev != nil {
				return ev, nil
			}
		case ev != nil:
			return ev, nil
		}
	}
	r.leave()
	return nil, io.EOF
}

// step reads a line, or asks the host for a stream of them. It returns nil for what is
// nobody's business.
func (r *Remote) step(ctx context.Context) (event.Event, error) {
	if r.stream == nil {
		return r.begin(ctx)
	}
	ev, err := r.stream.next()
	if err != nil {
		return nil, err
	}
	r.mono, r.at, r.offset = ev.Time(), time.Now(), r.stream.latest
	switch ev := ev.(type) {
	case *event.Host: // it is still there
		return nil, r.check(ev)
	case *event.Summary:
		r.stream.why = "its ktlstop serve ended the feed"
		if ev.Stopped != "" {
			r.stream.why += " (" + ev.Stopped + ")"
		}
		return nil, nil
	case *event.Record:
		if ev.Payload != nil {
			return nil, errPlaintext
		}
	}
	if r.stream.tier != event.TierNone {
		return nil, errPlaintext
	}
	return ev, nil
}

var errPlaintext = errors.New("it sends plaintext, which no feed does")

// begin asks for a stream, and reads whose it is.
func (r *Remote) begin(ctx context.Context) (event.Event, error) {
	if err := sleep(ctx, r.pause); err != nil {
		return nil, err
	}
	if r.cfg.Waits != nil && !r.contacted && r.away.IsZero() {
		defer time.AfterFunc(r.cfg.WaitsAfter, func() { r.cfg.Waits(r.name) }).Stop()
	}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	ev, err := r.stream.next()
	host, ok := ev.(*event.Host)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, errors.New("it does not say which host it is: that is no feed of ktlstop serve")
	}
	if err := r.check(host); err != nil {
		return nil, err
	}
	r.mono, r.at, r.offset = host.Mono, time.Now(), r.stream.latest
	if !r.away.IsZero() && r.contacted {
		host.Away = max(time.Since(r.away), 1)
	}
	r.host, r.contacted, r.away, r.since = *host, true, time.Time{}, r.at
	return host, nil
}

// check looks at what the host says of itself.
func (r *Remote) check(h *event.Host) error {
	if h.State != event.HostHere || h.Away != 0 {
		return errors.New("it says that it is away")
	}
	if h.Tier != event.TierNone {
		return errPlaintext
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connect makes r.stream, or says what is in the way.
func (r *Remote) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	silence := time.AfterFunc(r.cfg.Silence, cancel)
	resp, err := r.get(ctx)
	if silent := !silence.Stop(); err != nil {
		cancel()
		if silent {
			return fmt.Errorf("no answer for %v", r.cfg.Silence)
		}
		return err
	}
	reader := NewReader(resp.Body)
	reader.causes = r.causes // bounded over all streams
	r.stream = &stream{Reader: reader, body: resp.Body, cancel: cancel, quiet: r.cfg.Silence, silence: silence}
	return nil
}

func (r *Remote) get(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address.String(), nil)
	if err != nil {
		return nil, err
	}
	if r.cfg.User != nil {
		password, _ := r.cfg.User.Password()
		req.SetBasicAuth(r.cfg.User.Username(), password)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, r.reason(err)
	}
	if err := r.suits(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// reason is why a request failed, without the address, which the caller says already.
func (r *Remote) reason(err error) error {
	var of *url.Error
	var call *os.SyscallError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &noTLS):
		return fmt.Errorf("it speaks no TLS: http://%s?", r.name)
	case strings.Contains(err.Error(), tlsAlert):
		return r.speaksTLS()
	case errors.As(err, &call):
		return call.Err
	case errors.As(err, &of):
		return of.Err
	}
	return err
}

// tlsAlert is how net/http calls the begin of a TLS alert, which it takes for an answer.
const tlsAlert = `malformed HTTP response "\x15\x03`

func (r *Remote) speaksTLS() error { return fmt.Errorf("it speaks TLS: https://%s?", r.name) }

// suits says why an answer is no feed.
func (r *Remote) suits(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusBadRequest && r.address.Scheme == "http":
		line := firstLine(resp.Body)
		if strings.Contains(line, "HTTPS server") { // Go's words to who speaks plaintext
			return r.speaksTLS()
		}
		return notServe(code, line)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%d: user or password missing or wrong (--read-user-file FILE)", code)
	case code >= 300 && code < 400:
		return fmt.Errorf("%d: it sends to %.100q, where nobody follows: give that address if it is right", code, resp.Header.Get("Location"))
	case code != http.StatusOK:
		return notServe(code, firstLine(resp.Body))
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != event.FeedType {
		return fmt.Errorf("it answers with %.60q, and a feed of ktlstop serve is %s", resp.Header.Get("Content-Type"), event.FeedType)
	}
	return nil
}

// notServe is an answer by its first line. A page in HTML comes from another server.
func notServe(code int, line string) error {
	if strings.HasPrefix(line, "<") {
		return fmt.Errorf("%d: %s: is this ktlstop serve?", code, http.StatusText(code))
	}
	return fmt.Errorf("%d: %s", code, cmp.Or(line, http.StatusText(code)))
}

// firstLine is what an error page says, as far as a line of ours goes.
func firstLine(body io.Reader) string {
	line, _ := bufio.NewReader(io.LimitReader(body, maxWord)).ReadString('\n')
	return strings.ToValidUTF8(strings.TrimSpace(line), "\uFFFD")
}

// next is the next event of the stream, which is given up where none comes for long. How
// long whoever asks was busy with the last one does not count.
func (s *stream) next() (event.Event, error) {
	s.silence.Reset(s.quiet)
	ev, err := s.Reader.Next()
	s.silent = !s.silence.Stop() || s.silent
	switch {
	case err == nil:
		return ev, nil
	case s.silent:
		return nil, fmt.Errorf("nothing came for %v", s.quiet)
	case s.why != "":
		return nil, errors.New(s.why)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, ErrCut):
		return nil, errors.New("its feed broke off")
	}
	return nil, err
}

// lose notes that the host is away, and returns the event that says so if that is new.
func (r *Remote) lose(why error) event.Event {
	r.leave()
	if r.settled() {
		r.pause = 0
	}
	r.pause = min(max(2*r.pause, r.cfg.Backoff), 30*r.cfg.Backoff)
	r.pause += rand.N(r.pause/4 + 1) // so that not all readers of a host come back at once
	if !r.away.IsZero() {
		return nil
	}
	r.away = time.Now()
	host := r.host
	host.State, host.Reason, host.Mono = event.HostAway, strings.ToValidUTF8(why.Error(), "\uFFFD"), r.now()
	host.Name = cmp.Or(host.Name, r.name)
	return &host
}

// settled reports whether the feed that is lost was good for a while. One that turns bad
// right after its first line would be asked every second for ever.
func (r *Remote) settled() bool { return r.away.IsZero() && r.at.Sub(r.since) >= r.cfg.Settled }

// now is the host's monotonic time at present, 0 if that is not known.
func (r *Remote) now() uint64 {
	if r.at.IsZero() {
		return 0
	}
	return r.mono + uint64(time.Since(r.at))
}

func (r *Remote) leave() {
	if r.stream == nil {
		return
	}
	r.stream.silence.Stop()
	r.stream.cancel()
	r.stream.body.Close()
	r.stream = nil
}
