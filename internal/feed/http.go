package feed

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// lastWords is how long a reader has, when the trace ends, to read what is still in its
// queue.
const lastWords = 5 * time.Second

// ServeHTTP implements http.Handler. The response begins when the hooks are attached,
// and goes on until the reader leaves or the trace ends: first the host, then the open
// connections, then each event as it happens.
func (h *Hub) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "events are read by GET", http.StatusMethodNotAllowed)
		return
	}
	f, err := parseFilter(req.URL.RawQuery)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", event.FeedType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Connection", "close") // its deadlines are nobody else's
	if req.Method == http.MethodHead {
		return
	}
	if err := h.serve(w, req, f); err != nil {
		refuse(w, err)
	}
}

// refuse answers why there is no feed, and when to try again.
func refuse(w http.ResponseWriter, err error) {
	again := 10 * time.Second
	var paused *pausedError
	if errors.As(err, &paused) {
		again = paused.remaining
	}
	// The server's own deadline may have passed while this waited for the hooks.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(lastWords))
	w.Header().Set("Retry-After", strconv.Itoa(int(again/time.Second)+1))
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

// serve returns an error if the reader was refused.
func (h *Hub) serve(w http.ResponseWriter, req *http.Request, f filter) error {
	body := &body{w: w, control: http.NewResponseController(w), stallTimeout: h.cfg.StallTimeout,
		begun: make(chan struct{}), done: make(chan struct{})}
	_ = body.control.SetReadDeadline(time.Time{}) // a reader sends nothing more
	r := &reader{filter: f, joined: make(chan struct{}), ended: make(chan struct{})}
	share := h.budget.reserve()
	defer h.budget.release(share)
	r.queue = sink.NewQueue(body, sink.QueueConfig{Bytes: share})
	r.out = sink.NewShare(r.queue)
	defer body.abandon(r.queue)
	if err := h.enter(r); err != nil {
		return err
	}
	defer h.leave(r)
	select {
	case <-r.joined:
	case <-req.Context().Done():
		return nil
	}
	if r.refused != nil {
		return r.refused
	}
	if err := h.greet(body, r); err != nil {
		return nil // the reader is gone
	}
	close(body.begun)
	select {
	case <-r.ended:
		_ = r.queue.Close(after(lastWords))
	case <-body.done:
	case <-req.Context().Done():
	}
	return nil
}

// after returns a channel that is closed after a while.
func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

// greet writes the host and the open connections without the queue, because they may be
// more than a queue holds.
func (h *Hub) greet(w *body, r *reader) error {
	e := sink.NewEncoder(h.cfg.Clock)
	var reportedAt uint64
	line := e.AppendEvent(nil, r.host)
	for i := range r.found {
		s := r.found[i].found(r.since)
		if r.wants(s) {
			line = e.AppendEvent(line, s)
			reportedAt++
		}
		if len(line) < pieceBytes {
			continue
		}
		if _, err := w.write(line); err != nil {
			return err
		}
		line = line[:0]
	}
	r.found = nil
	h.mu.Lock()
	r.had.Found(reportedAt)
	h.mu.Unlock()
	_, err := w.write(line)
	return err
}

// pieceBytes is the size of one write.
const pieceBytes = 64 << 10

// body is the response below the reader's queue. It keeps the queue from writing before
// the greeting is written, and drops a reader that stalls.
type body struct {
	w            io.Writer
	control      *http.ResponseController
	stallTimeout time.Duration
	begun        chan struct{} // closed when the queue may write
	failed       error         // set before begun is closed
	done         chan struct{} // closed when the queue no longer writes
}

// Write implements io.Writer, for the queue.
func (b *body) Write(p []byte) (int, error) {
	<-b.begun
	if b.failed != nil {
		return 0, b.failed
	}
	return b.write(p)
}

// write writes one piece and flushes it.
func (b *body) write(p []byte) (int, error) {
	// Where a deadline cannot be set, the server's own deadline must do.
	_ = b.control.SetWriteDeadline(time.Now().Add(b.stallTimeout))
	n, err := b.w.Write(p)
	if err == nil {
		err = b.control.Flush()
	}
	return n, err
}

// Close implements io.Closer, for the queue.
func (b *body) Close() error {
	close(b.done)
	return nil
}

// abandon returns when the queue no longer writes: after that the handler no longer
// owns w.
func (b *body) abandon(q *sink.Queue) {
	select {
	case <-b.done:
		return
	default:
	}
	select {
	case <-b.begun:
		_ = b.control.SetWriteDeadline(time.Now()) // the write in progress fails
	default:
		b.failed = errors.New("the reader was not let in")
		close(b.begun)
	}
	now := make(chan struct{})
	close(now)
	_ = q.Close(now)
	<-b.done
}
