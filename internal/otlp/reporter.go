package otlp

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/safe"
)

const (
	// noticeInterval is how often at most a person is told of trouble.
	noticeInterval = time.Minute
	// maxNoticeBytes is how long a line may be: a receiver chooses what it answers.
	maxNoticeBytes = 240
)

// reporter tells people of trouble with the receiver: one line, not often. Any goroutine
// may use it.
type reporter struct {
	out func(string)
	now func() time.Time

	mu    sync.Mutex
	next  time.Time
	since int // what was not told since the last line
}

func (t *reporter) report(text string) {
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
	t.next, t.since = now.Add(noticeInterval), 0
	t.out(line)
}

// oneLine cuts and escapes what others wrote.
func oneLine(s string) string {
	if len(s) > maxNoticeBytes {
		s = strings.ToValidUTF8(s[:maxNoticeBytes], "") + "..."
	}
	return safe.String(strings.Join(strings.Fields(s), " "))
}
