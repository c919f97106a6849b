package serve

import (
	"context"
	"log/slog"
)

// notices is a log of what goes wrong: what exporter-toolkit says besides is not kept.
type notices struct{ tell func(string) }

// Enabled implements slog.Handler.
func (notices) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (n notices) Handle(_ context.Context, r slog.Record) error {
	text := "web server: " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += ": " + a.Value.String()
		return true
	})
	n.tell(text)
	return nil
}

// WithAttrs implements slog.Handler.
func (n notices) WithAttrs([]slog.Attr) slog.Handler { return n }

// WithGroup implements slog.Handler.
func (n notices) WithGroup(string) slog.Handler { return n }
