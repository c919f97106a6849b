package inspect

import "testing"

var pop3Cases = []saidCase{
	{name: "mail", port: 995, say: []string{"t+OK ready <1@h>\r\n", "rCAPA\r\n", "t+OK\r\nUSER\r\n.\r\n", "rUSER me\r\n", "t+OK\r\n", "rPASS " + canary + "\r\n", "t-ERR [AUTH] " + canary + "\r\n",
		"rSTAT\r\nLIST\r\nLIST 1\r\nRETR 1\r\nQUIT\r\n", "t+OK 1 9\r\n+OK\r\n1 9\r\n.\r\n+OK 1 9\r\n+OK 9\r\nTo: x\r\n\r\n..+OK\r\n.\r\n+OK bye\r\n"},
		want: []string{"greeting 0 > +OK ready <1@h> 17", "CAPA 6 > +OK 14", "USER me 9 > +OK 5", "PASS **************** 23 > -ERR 30",
			"STAT 6 > +OK 1 9 9", "LIST 6 > +OK 13", "LIST 1 8 > +OK 1 9 9", "RETR 1 8 > +OK 9 26", "QUIT 6 > +OK bye 9"}, shows: "To: x", hides: canary},
	{name: "SASL", port: 110, say: []string{"rAUTH\r\n", "t+OK\r\nLOGIN\r\n.\r\n", "rAUTH LOGIN\r\n", "t+ VXNlcm5hbWU6\r\n", "r" + canary + "\r\n", "t+OK\r\n", "rAPOP me " + canary + "\r\n", "t+OK\r\n", "rAUTH PLAIN " + canary + "\r\n", "t+OK\r\n", "rNOOP\r\n", "t+OK\r\n"},
		want: []string{"AUTH 6 > +OK 15", "AUTH LOGIN 30 > +OK 21", "APOP ******************* 26 > +OK 5", "AUTH PLAIN **************** 29 > +OK 5", "NOOP 6 > +OK 5"}, hides: canary},
}

func TestPOP3(t *testing.T) { checkSaid(t, "pop3", pop3Cases) }
