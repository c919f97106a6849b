package otlp

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/safe"
)

const (
	// tellEvery is how often at most a person is told of trouble.
	tellEvery = time.Minute
	// tellBytes is how long a line may be: a receiver chooses what it answers.
	tellBytes = 240
)

// teller tells people of trouble with the receiver: one line, not often. Any goroutine
// may use it.
type teller struct {
	out func(string)
	now func() time.Time

	mu    sync.Mutex
	next  time.Time
	since int // what was not told since the last line
}

func (t *teller) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if now.Before(t.next) {
		t.since++
		return
	}
	line := "OTLP: " + oneLine(text)
	if t.since > 0 {
		line += fmt.Sprintf(" (%d more messages since the last)", t.since)
	}
	t.next, t.since = now.Add(tellEvery), 0
	t.out(line)
}

// oneLine cuts and escapes what others wrote.
func oneLine(s string) string {
	if len(s) > tellBytes {
		s = strings.ToValidUTF8(s[:tellBytes], "") + "..."
	}
	return safe.String(strings.Join(strings.Fields(s), " "))
}
