package flight

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxAsking limits how many requests may wait for a dump at a time.
const maxAsking = 16

// Handler answers POST: it triggers the recorder, waits until everything is written,
// and returns the file's name as {"file":"NAME"}.
func Handler(r *Recorder) http.Handler {
	asking := make(chan struct{}, maxAsking)
	// A page in somebody's browser must not trigger it.
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost {
			w.Header().Set("Allow", "POST")
			http.Error(w, "a dump is asked for by POST", http.StatusMethodNotAllowed)
			return
		}
		select {
		case asking <- struct{}{}:
			defer func() { <-asking }()
		default:
			w.Header().Set("Retry-After", "10")
			http.Error(w, "too many wait for a dump", http.StatusServiceUnavailable)
			return
		}
		// The server's own deadlines are for answers that are sent at once.
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Time{})
		_ = control.SetWriteDeadline(time.Time{})
		res := r.Request(event.ByRequest)
		select {
		case <-res.Done:
			answerWith(w, res)
		case <-req.Context().Done():
		}
	}))
}

func answerWith(w http.ResponseWriter, res *Result) {
	switch {
	case errors.Is(res.Err, ErrOver):
		http.Error(w, res.Err.Error(), http.StatusServiceUnavailable)
	case errors.Is(res.Err, ErrNothing):
		w.WriteHeader(http.StatusNoContent)
	case res.Err != nil: // the error's text names local files
		why := "the host's log says why"
		var errno syscall.Errno
		if errors.As(res.Err, &errno) {
			why = errno.Error()
		}
		http.Error(w, "the events were not written: "+why, http.StatusInternalServerError)
	default:
		b, err := json.Marshal(map[string]string{"file": res.Where})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b) // the client may be gone
	}
}
