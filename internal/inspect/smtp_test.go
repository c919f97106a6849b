package inspect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

var smtpCases = []saidCase{
	{name: "mail", say: []string{"t220 h ESMTP\r\n", "rEHLO c\r\n", "t250-h\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n",
		"rMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", "t250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data\r\n",
		"rSubject: x\r\nCookie: " + canary + "\r\n\r\n..\r\nQUIT\r\n.\r\nQUIT\r\n", "t250 2.0.0 Ok: queued as 1\r\n221 2.0.0 Bye\r\n"},
		want: []string{"greeting 0 > 220 h ESMTP 13", "EHLO c 8 > 250 AUTH PLAIN 39", "MAIL FROM:<a@b> 17 > 250 2.1.0 Ok 14", "RCPT TO:<c@d> 15 > 250 2.1.5 Ok 14",
			"DATA 59 > 250 2.0.0 Ok: queued as 1 41", "QUIT 6 > 221 2.0.0 Bye 15"}, shows: "Subject: x", hides: canary},
	{name: "behind STARTTLS", say: []string{"rEHLO c\r\n", "t250 h\r\n", "rAUTH PLAIN " + canary + "\r\n", "t535 5.7.8 Error: " + canary + "\r\n",
		"rAUTH LOGIN\r\n", "t334 VXNlcm5hbWU6\r\n", "r" + canary + "\r\n", "t334 UGFzc3dvcmQ6\r\n", "rNOOP\r\n", "t235 2.7.0 ok\r\n", "rNOOP\r\n", "t250 ok\r\n"},
		want: []string{"EHLO c 8 > 250 h 7", "AUTH PLAIN **************** 29 > 535 35", "AUTH LOGIN 36 > 235 2.7.0 ok 50", "NOOP 6 > 250 ok 8"}, hides: canary},
	{name: "refused", say: []string{"rEHLO c\r\n", "t250 h\r\n", "rDATA\r\n", "t503 no\r\n", "rQUIT\r\n", "t221 bye\r\n"},
		want: []string{"EHLO c 8 > 250 h 7", "DATA 6 > 503 no 8", "QUIT 6 > 221 bye 9"}},
	{name: "chunks", say: []string{"rEHLO c\r\n", "t250 h\r\n", "rBDAT 10 LAST\r\n0123456789QUIT\r\n", "t250 ok\r\n221 bye\r\n"},
		want: []string{"EHLO c 8 > 250 h 7", "BDAT 10 LAST 24 > 250 ok 8", "QUIT 6 > 221 bye 9"}},
}

func TestSMTP(t *testing.T) { checkSaid(t, "smtp", smtpCases) }

// TestSMTPOneWay: a mail is reported even if its replies are not seen, and no answer to
// a challenge is treated as a command.
func TestSMTPOneWay(t *testing.T) {
	f := newFeed(t, Config{OneWay: true}).open(rx)
	f.conn.LPort = 25
	f.send(rx, "EHLO c\r\nAUTH LOGIN\r\n").send(rx, canary+"\r\n").send(rx, canary2+"\r\n").send(rx, "MAIL FROM:<a@b>\r\nDATA\r\n").send(rx, "Hi\r\n.\r\nQUIT\r\n")
	out := f.close()
	want := []string{"EHLO c 8 >  0", "MAIL FROM:<a@b> 17 >  0", "DATA 13 >  0", "QUIT 6 >  0", "AUTH LOGIN 48 >  0 unanswered"}
	if d := cmp.Diff(want, said(out)); d != "" || leaks(inJSON(t, out)) != "" {
		t.Errorf("%s%s", d, leaks(inJSON(t, out)))
	}
}

// TestSMTPGap: an answer to a challenge is not a command, even if the challenge was
// lost.
func TestSMTPGap(t *testing.T) {
	f := newFeed(t, Config{}).both().send(rx, "EHLO c\r\n").send(tx, "250 h\r\n").send(rx, "AUTH LOGIN\r\n")
	f.lose(tx).send(tx, "334 UGFz\r\n").send(rx, canary+"\r\n").lose(rx).send(rx, canary2+"\r\n").send(tx, "235 ok\r\n").send(rx, "MAIL FROM:<a@b>\r\n").send(tx, "250 ok\r\n")
	out := f.close()
	want := []string{"EHLO c 8 > 250 h 7", "AUTH LOGIN 12 >  0 gap", " 0 > 235 ok 8", "MAIL FROM:<a@b> 17 > 250 ok 8"}
	if d := cmp.Diff(want, said(out)); d != "" || leaks(inJSON(t, out)) != "" {
		t.Errorf("%s%s", d, leaks(inJSON(t, out)))
	}
}
