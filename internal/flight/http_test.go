package flight

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// flushing makes the run's goroutine look at the clock until the test is over.
func (r *recording) flushing(t *testing.T) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_ = r.Flush()
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
}

func post(t *testing.T, url string) (status int, body string) {
	t.Helper()
	res, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestHandler(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute})
	r.record(1)
	server := httptest.NewServer(Handler(r.Recorder))
	defer server.Close()
	r.flushing(t)
	if status, body := post(t, server.URL); status != 200 || body != `{"file":"somewhere"}` {
		t.Errorf("%d %s", status, body)
	}
	if got := seqs(t, r.dump()); len(got) != 2 {
		t.Errorf("%v", got)
	}
	req, err := http.NewRequest(http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://elsewhere.example")
	foreign, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Body.Close()
	if foreign.StatusCode != http.StatusForbidden {
		t.Errorf("from a page of another host: %s", foreign.Status)
	}
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %s", res.Status)
	}
}

// The reason of a failure is not sent to a remote client.
func TestHandlerFails(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute})
	r.cfg.Dump = func(*Dump) (string, error) { return "", fmt.Errorf("/secret/path: %w", syscall.ENOSPC) }
	server := httptest.NewServer(Handler(r.Recorder))
	defer server.Close()
	r.flushing(t)
	if status, body := post(t, server.URL); status != 500 || strings.Contains(body, "secret") || !strings.Contains(body, "no space left") {
		t.Errorf("%d %s", status, body)
	}
}

// Where nothing has happened, no file is made.
func TestHandlerOfNothing(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute})
	f := filesIn(t, t.TempDir(), 1<<30)
	r.cfg.Dump = f.Write
	server := httptest.NewServer(Handler(r.Recorder))
	defer server.Close()
	r.flushing(t)
	if status, body := post(t, server.URL); status != http.StatusNoContent || body != "" {
		t.Errorf("%d %s", status, body)
	}
	if all := names(t, f.Dir); len(all) != 0 {
		t.Errorf("%v", all)
	}
}

// A request waits while others wait, but not for ever; a client that leaves holds
// nothing.
func TestHandlerIsBounded(t *testing.T) {
	r := newRecording(t, Config{Keep: time.Minute})
	server := httptest.NewServer(Handler(r.Recorder))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range maxAsking {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		waiting.Go(func() {
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
			}
		})
	}
	deadline := time.Now().Add(20 * time.Second)
	for n := 0; n < maxAsking; {
		r.mu.Lock()
		n = int(r.times)
		r.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, want %d", n, maxAsking)
		}
	}
	if status, _ := post(t, server.URL); status != http.StatusServiceUnavailable {
		t.Errorf("one too many got %d", status)
	}
	cancel()
	waiting.Wait()
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := r.dump(); got[0].(*event.Trigger).Again != maxAsking-1 {
		t.Errorf("%+v", got[0])
	}
	if err := r.Close(nil); err != nil {
		t.Fatal(err)
	}
}
