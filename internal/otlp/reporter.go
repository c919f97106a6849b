package otlp

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/safe"
)

const (
	// noticeInterval is the shortest interval between two notices.
	noticeInterval = time.Minute
	// maxNoticeBytes limits the length of a line: a receiver chooses its text.
	maxNoticeBytes = 240
)

// reporter reports trouble with the receiver to people: one line, not often. Any
// goroutine may use it.
type reporter struct {
	out func(string)
	now func() time.Time

	mu    sync.Mutex
	next  time.Time
	since int // notices not printed since the last line
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

// oneLine cuts and escapes text from others.
func oneLine(s string) string {
	if len(s) > maxNoticeBytes {
		s = strings.ToValidUTF8(s[:maxNoticeBytes], "") + "..."
	}
	return safe.String(strings.Join(strings.Fields(s), " "))
}
