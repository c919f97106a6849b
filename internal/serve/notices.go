package serve

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// notices is a log of what goes wrong: what exporter-toolkit says besides is not kept. What
// is wrong with a file is wrong with each request, and is reported once a minute.
type notices struct {
	report func(string)
	now    func() time.Time
	mu     sync.Mutex
	last   string
	at     time.Time
}

const sameAgain = time.Minute

// Enabled implements slog.Handler.
func (*notices) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (n *notices) Handle(_ context.Context, r slog.Record) error {
	text := "web server: " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += ": " + a.Value.String()
		return true
	})
	if n.isNew(text) {
		n.report(text)
	}
	return nil
}

func (n *notices) isNew(text string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	if text == n.last && now.Sub(n.at) < sameAgain {
		return false
	}
	n.last, n.at = text, now
	return true
}

// WithAttrs implements slog.Handler.
func (n *notices) WithAttrs([]slog.Attr) slog.Handler { return n }

// WithGroup implements slog.Handler.
func (n *notices) WithGroup(string) slog.Handler { return n }
