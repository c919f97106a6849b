package inspect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var imapCases = []saidCase{
	{name: "session", say: []string{"t* OK ready\r\n", "ra1 LOGIN me " + canary + "\r\n", "t* CAPABILITY X\r\na1 NO " + canary + "\r\n",
		"ra2 SELECT INBOX\r\na3 FETCH 1 (BODY[])\r\n", "t* 3 EXISTS\r\na2 OK done\r\n* 1 FETCH (BODY[] {13}\r\na3 OK no\r\n.\r\n)\r\na3 OK done\r\n", "ra4 LOGOUT\r\n", "t* BYE\r\na4 OK\r\n"},
		want: []string{"greeting 0 > OK ready 12", "a1 LOGIN ******************* 30 > NO 40", "a2 SELECT INBOX 17 > OK 24", "a3 FETCH 1 (BODY[]) 21 > OK 52", "a4 LOGOUT 11 > OK 14"}, hides: canary},
	{name: "literals", say: []string{"rA1 login {2}\r\n", "t+ go\r\n", "rme {16}\r\n", "t+ go\r\n", "r" + canary + "\r\n", "tA1 OK in\r\n", "rA2 APPEND a {5+}\r\nA3 XX\r\n", "tA2 OK\r\n"},
		want: []string{"A1 LOGIN *** ***** 41 > OK 22", "A2 APPEND a {5+} 25 > OK 7"}, hides: canary},
	{name: "SASL", port: 993, say: []string{"rx AUTHENTICATE LOGIN\r\n", "t+ VXNl\r\n", "r" + canary + "\r\n", "t+ UGFz\r\n", "rNOOP\r\n", "tx OK in\r\n", "rx2 AUTHENTICATE PLAIN " + canary + "\r\n", "tx2 OK\r\n"},
		want: []string{"x AUTHENTICATE LOGIN 46 > OK 25", "x2 AUTHENTICATE PLAIN **************** 40 > OK 7"}, hides: canary},
	{name: "refused literals, cut", say: []string{"ra1 APPEND a {24}\r\n", "ta1 NO full\r\n", "ra2 LOGIN me " + canary + "\r\n", "ta2 NO\r\n", "ra3 LOGIN me {16}\r\n", "t+ go\r\na3 BAD\r\n", "r" + canary + "\r\n", "ra4 NOOP\r\n", "ta4 OK\r\n"},
		want: []string{"a1 APPEND a {24} 18 > NO 12", "a2 LOGIN ******************* 30 > NO 7", "a3 LOGIN ******* 18 > BAD 14", "a4 NOOP 9 > OK 7"}, hides: canary},
	{name: "idle", say: []string{"ra1 IDLE\r\n", "t+ idling\r\n* 4 EXISTS\r\n", "rDONE\r\n", "ta1 OK\r\n", "t* 5 EXISTS\r\n"},
		want: []string{"a1 IDLE 15 > OK 29", "untagged 0 > 5 EXISTS 12"}, shows: "DONE"},
}

func TestIMAP(t *testing.T) { checkSaid(t, "imap", imapCases) }

// TestIMAPGap: the lines after AUTHENTICATE are not commands, whatever part of them was
// lost.
func TestIMAPGap(t *testing.T) {
	f := newFeed(t, Config{}).both().send(rx, "a1 AUTHENTICATE LOGIN\r\n")
	f.lose(tx).send(tx, "+ UGFz\r\n").send(rx, canary+"\r\n").lose(rx).send(rx, canary2+"\r\n").send(tx, "a1 OK\r\n").send(rx, "a2 NOOP\r\n").send(tx, "a2 OK\r\n")
	out := f.close()
	want := []string{"a1 AUTHENTICATE LOGIN 41 > OK 15", "a2 NOOP 9 > OK 7"}
	if d := cmp.Diff(want, said(out)); d != "" || leaks(inJSON(t, out)) != "" {
		t.Errorf("%s%s", d, leaks(inJSON(t, out)))
	}
}

// TestProse: text that only resembles a protocol is not recognised as one.
func TestProse(t *testing.T) {
	for _, s := range []string{"a list of things\r\n", "help\r\n", "220 people came\r\n", "* OK is a word\r\n", "+OK fine\r\n", "user me\r\n", "*5\r\n", "*** note\r\n", "mail me\r\n"} {
		f := newFeed(t, Config{})
		if !strings.HasPrefix(s, "*") {
			f.both()
		}
		out := f.send(rx, s).send(rx, s).close()
		if len(out.said) > 0 {
			t.Errorf("%q is reported as %q", s, said(out))
		}
	}
}
