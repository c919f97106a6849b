package serve

import (
	"log"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// handshakes is where http.Server writes to when a handshake fails. What strangers send is
// nothing to write down; but where the web configuration, or a certificate that it names,
// cannot be read any more, every handshake fails, and that is told.
type handshakes struct {
	config string
	tell   func(string)
	now    func() time.Time
	mu     sync.Mutex
	looked time.Time
	said   string // what is wrong, as it was told last
}

// lookAgain is how long the configuration is believed to be as it was.
const lookAgain = 10 * time.Second

func (h *handshakes) log() *log.Logger { return log.New(h, "", 0) }

// Write implements io.Writer.
func (h *handshakes) Write(b []byte) (int, error) {
	if h.due() {
		h.look()
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
	if !h.looked.IsZero() && now.Sub(h.looked) < lookAgain {
		return false
	}
	h.looked = now
	return true
}

// look says what is wrong with the configuration, once, and that it is right again.
func (h *handshakes) look() {
	wrong := ""
	if err := web.Validate(h.config); err != nil {
		wrong = err.Error()
	}
	h.mu.Lock()
	before := h.said
	h.said = wrong
	h.mu.Unlock()
	switch {
	case wrong == before:
	case wrong != "":
		h.tell("web server: nobody gets an answer, since the web configuration cannot be used: " + wrong)
	default:
		h.tell("web server: the web configuration can be used again")
	}
}
