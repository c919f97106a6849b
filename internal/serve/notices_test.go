package serve

import (
	"log/slog"
	"slices"
	"testing"
	"time"
)

// TestNotices: only what goes wrong is reported, and the same not with each request.
func TestNotices(t *testing.T) {
	var said []string
	now := time.Unix(1000, 0)
	log := slog.New(&notices{report: func(text string) { said = append(said, text) }, now: func() time.Time { return now }})
	log.Info("Listening on", "address", "127.0.0.1:1")
	for range 5 {
		log.Error("Unable to parse", "err", "line 1")
	}
	log.Error("Unable to parse", "err", "line 2")
	now = now.Add(sameAgain)
	log.With("a", 1).WithGroup("g").Error("Unable to parse", "err", "line 2")
	want := []string{"web server: Unable to parse: line 1", "web server: Unable to parse: line 2", "web server: Unable to parse: line 2"}
	if !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}
