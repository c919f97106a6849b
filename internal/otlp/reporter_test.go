package otlp

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestReporter(t *testing.T) {
	c := clock{time.Unix(1000, 0)}
	var lines reported
	tell := &reporter{out: lines.tell, now: func() time.Time { return c.t }}
	for range 1000 {
		tell.report("no\r\nway\x1b[2J " + strings.Repeat("ä", 300))
	}
	oneSafeLine(t, &lines, "no way")
	if line := lines.all()[0]; len(line) > maxNoticeBytes+20 || !utf8.ValidString(line) {
		t.Errorf("%d bytes: %q", len(line), line)
	}
	c.pass(noticeInterval)
	tell.report("again")
	if got := lines.all(); len(got) != 2 || got[1] != "OTLP: again (999 more messages since the last)" {
		t.Errorf("%q", got)
	}
	c.pass(noticeInterval)
	tell.report("again")
	if got := lines.all(); len(got) != 3 || got[2] != "OTLP: again" {
		t.Errorf("%q", got)
	}
}
