package serve

import (
	"log"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// handshakes is where http.Server writes to when a handshake fails. What strangers send is
// nothing to write down; but where the web configuration, or a certificate that it names,
// cannot be read any more, every handshake fails, and that is reported.
type handshakes struct {
	config    string
	report    func(string)
	now       func() time.Time
	mu        sync.Mutex
	checkedAt time.Time
	reported  string // what is wrong, as it was reported last
}

// recheckInterval is how long the configuration is believed to be as it was.
const recheckInterval = 10 * time.Second

func (h *handshakes) log() *log.Logger { return log.New(h, "", 0) }

// Write implements io.Writer.
func (h *handshakes) Write(b []byte) (int, error) {
	if h.due() {
		h.check()
	}
	return len(b), nil
}

func (h *handshakes) due() bool {
	if h.config == "" {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if !h.checkedAt.IsZero() && now.Sub(h.checkedAt) < recheckInterval {
		return false
	}
	h.checkedAt = now
	return true
}

// check says what is wrong with the configuration, once, and that it is right again.
func (h *handshakes) check() {
	wrong := ""
	if err := web.Validate(h.config); err != nil {
		wrong = err.Error()
	}
	h.mu.Lock()
	before := h.reported
	h.reported = wrong
	h.mu.Unlock()
	switch {
	case wrong == before:
	case wrong != "":
		h.report("web server: nobody gets an answer, since the web configuration cannot be used: " + wrong)
	default:
		h.report("web server: the web configuration can be used again")
	}
}
