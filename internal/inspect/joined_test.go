package inspect

import (
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// joinedTalks are conversations of connections that were open before: none of their
// commands with secrets can be recognised for certain.
var joinedTalks = []struct {
	name string
	port uint16
	say  []string
}{
	{"SMTP", 25, []string{"rAUTH PLAIN\r\n", "t334 \r\n", "r" + canary + "\r\n", "t235 ok\r\n"}},
	{"SMTP's LOGIN", 8105, []string{"rAUTH LOGIN\r\n", "t334 VXNl\r\n", "r" + canary2 + "\r\n", "t334 UGFz\r\n", "r" + canary + "\r\n"}},
	{"SMTP, the command lost", 8105, []string{"rPLAIN\r\n", "t334 \r\n", "r" + canary + "\r\n"}},
	{"SMTP, the command lost behind another", 8105, []string{"r\r\n", "t250 ok\r\n", "rx\r\n", "t33", "t4 \r\n", "r" + canary + "\r\n"}},
	{"IMAP", 8105, []string{"ra1 AUTHENTICATE PLAIN\r\n", "t+ \r\n", "r" + canary + "\r\n"}},
	{"IMAP's literals", 8105, []string{"ra1 LOGIN {16}\r\n", "t+ go\r\n", "r" + canary2 + " {16}\r\n", "t+ go\r\n", "r" + canary + "\r\n"}},
	{"POP3", 8105, []string{"rAUTH PLAIN\r\n", "t+\r\n", "r" + canary + "\r\n"}},
	{"POP3's PASS", 8105, []string{"rUSER me\r\n", "t+OK\r\n", "rPASS " + canary + "\r\n"}},
	{"redis", 8105, []string{"r$16\r\n" + canary + "\r\n", "t+OK\r\n"}},
	{"redis, within a string", 8105, []string{"r16\r\n" + canary + "\r\n", "t+OK\r\n"}},
	{"redis, within a string's end", 8105, []string{"rx\r\n", "r$8\r\npassword\r\n$16\r\n" + canary + "\r\n"}},
	{"redis, by its port", 6379, []string{"rx\r\n", "r" + canary + "\r\n", "ty\r\n", "t" + canary + "\r\n"}},
	{"a reply of redis", 8105, []string{"t$16\r\n" + canary + "\r\n", "t*1\r\n$16\r\n" + canary + "\r\n"}},
}

func TestJoinedTalk(t *testing.T) {
	for _, c := range joinedTalks {
		f := newFeed(t, Config{})
		f.conn.LPort = c.port
		for _, one := range c.say {
			f.send(map[byte]event.Dir{'r': rx, 't': tx}[one[0]], one[1:])
		}
		if out := f.close(); leaks(inJSON(t, out)) != "" {
			t.Errorf("%s: %s", c.name, out.text)
		}
	}
}

// TestJoinedWithoutLines: the reason why a text is masked is reported once, with its
// length.
func TestJoinedWithoutLines(t *testing.T) {
	f := newFeed(t, Config{})
	for range 3 {
		f.send(rx, "no end")
	}
	out := f.send(rx, strings.Repeat(".", maxUnknown)).send(rx, "shown").close()
	if len(out.notes) != 1 || !strings.HasPrefix(out.notes[0], "text is masked to the end of its line, of 16384 bytes") || strings.Count(string(out.text), "shown") != 1 {
		t.Errorf("notes %q, %q", out.notes, out.text[len(out.text)-20:])
	}
}
