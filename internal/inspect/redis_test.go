package inspect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// saidCase is a conversation and its expected reports. Lines that begin with r are
// received, those with t sent.
type saidCase struct {
	name string
	port uint16 // of this end, 0 for an unknown one
	say  []string
	want []string
	// text that must be shown, and text that must not be shown.
	shows, hides string
}

// said returns the reported exchanges, without times.
func said(o *shown) (out []string) {
	for _, x := range o.said {
		s := strings.TrimSpace(x.ID + " " + x.Op)
		if x.Detail != "" {
			s += " " + x.Detail
		}
		s = fmt.Sprintf("%s %d > %s %d", s, x.RequestLen, x.Status, x.ReplyLen)
		if x.End != finding.Complete {
			s += " " + x.End.String()
		}
		out = append(out, s)
	}
	return out
}

// checkSaid plays each conversation in records of many sizes: the reports are the same.
func checkSaid(t *testing.T, protocol string, cases []saidCase) {
	t.Helper()
	for _, c := range cases {
		for _, size := range []int{1 << 14, 1, 2, 3, 5, 7, 16, 31} {
			f := newFeed(t, Config{})
			if f.conn.LPort = 4433; c.port != 0 {
				f.conn.LPort = c.port
			}
			converse(f.both(), c.say, size)
			out := f.close()
			if d := cmp.Diff(c.want, said(out)); d != "" {
				t.Errorf("%s in records of %d: %s notes %q", c.name, size, d, out.notes)
			}
			all := string(inJSON(t, out))
			if c.hides != "" && strings.Contains(all, c.hides) || !strings.Contains(all, c.shows) {
				t.Errorf("%s in records of %d: %s", c.name, size, all)
			}
			if want, got := lengths(c.say), reported(out); want != got && !strings.Contains(c.name, "cut") {
				t.Errorf("%s in records of %d: %d bytes are reported, of %d", c.name, size, got, want)
			}
			for _, x := range out.said {
				if x.Protocol != protocol {
					t.Errorf("%s: %q is spoken", c.name, x.Protocol)
				}
			}
		}
	}
}

// lengths is the number of bytes of a conversation in each direction: requests,
// replies.
func lengths(say []string) (n [2]uint64) {
	for _, one := range say {
		if one[0] == 'r' {
			n[0] += uint64(len(one) - 1)
		} else {
			n[1] += uint64(len(one) - 1)
		}
	}
	return n
}

// reported is how many of them are reported.
func reported(o *shown) (n [2]uint64) {
	for _, x := range o.said {
		n[0], n[1] = n[0]+x.RequestLen, n[1]+x.ReplyLen
	}
	return n
}

// resp encodes words as a request.
func resp(words ...string) string {
	s := fmt.Sprintf("*%d\r\n", len(words))
	for _, w := range words {
		s += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
	}
	return s
}

var redisCases = []saidCase{
	{name: "get and set", say: []string{"r" + resp("set", "a", "1"), "t+OK\r\n", "r" + resp("GET", "a"), "t$1\r\n1\r\n", "r" + resp("GET", "b"), "t$-1\r\n"},
		want: []string{"SET a 1 27 > OK 5", "GET a 20 > string 7", "GET b 20 > nil 5"}, shows: "GET"},
	{name: "pipeline", say: []string{"r" + resp("PING") + resp("INCR", "n") + resp("LRANGE", "l", "0", "-1"), "t+PONG\r\n:17\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n"},
		want: []string{"PING 14 > PONG 7", "INCR n 21 > 17 5", "LRANGE l 0 -1 38 > list of 2 19"}},
	{name: "errors", say: []string{"r" + resp("FOO", "bar"), "t-ERR unknown command 'FOO'\r\n"},
		want: []string{"FOO bar 22 > ERR unknown command 'FOO' 28"}},
	{name: "auth", say: []string{"r" + resp("AUTH", "me", canary), "t-WRONGPASS invalid " + canary + "\r\n", "r" + resp("AUTH", canary), "t+OK\r\n"},
		want: []string{"AUTH ** **************** 45 > WRONGPASS 37", "AUTH **************** 37 > OK 5"}, hides: canary},
	{name: "hello", say: []string{"r" + resp("HELLO", "3", "AUTH", "me", canary, "SETNAME", "x"), "t%1\r\n+proto\r\n:3\r\n"},
		want: []string{"HELLO 3 AUTH ** **************** SETNAME x 83 > map of 1 16"}, hides: canary},
	{name: "configuration", say: []string{"r" + resp("CONFIG", "SET", "requirepass", canary), "t+OK\r\n", "r" + resp("config", "get", "*"), "t*4\r\n$1\r\na\r\n$1\r\nb\r\n$11\r\nrequirepass\r\n$16\r\n" + canary + "\r\n",
		"r" + resp("CONFIG", "GET", "masterauth"), "t*2\r\n$10\r\nmasterauth\r\n$16\r\n" + canary + "\r\n"},
		want: []string{"CONFIG SET requirepass **************** 66 > OK 5", "CONFIG get * 32 > list of 4 59", "CONFIG GET masterauth 42 > list of 2 44"}, hides: canary},
	{name: "users", say: []string{"r" + resp("ACL", "SETUSER", "me", "on", ">"+canary, "~*"), "t+OK\r\n", "r" + resp("ACL", "LIST"), "t*1\r\n$16\r\n" + canary + "\r\n"},
		want: []string{"ACL SETUSER me on ***************** ~* 74 > OK 5", "ACL LIST 23 > list of 1 27"}, hides: canary},
	{name: "fields", say: []string{"r" + resp("HSET", "user:1", "password", canary, "name", "me"), "t:2\r\n", "r" + resp("HGETALL", "user:1"), "t*4\r\n$8\r\npassword\r\n$16\r\n" + canary + "\r\n$4\r\nname\r\n$2\r\nme\r\n",
		"r" + resp("HGET", "user:1", "password"), "t$16\r\n" + canary + "\r\n", "r" + resp("SET", "api_token", canary), "t+OK\r\n"},
		want: []string{"HSET user:1 password **************** name me 81 > 2 4", "HGETALL user:1 29 > list of 4 59", "HGET user:1 password 40 > string 23", "SET api_token **************** 51 > OK 5"}, hides: canary},
	{name: "keys of secrets", say: []string{"r" + resp("SETEX", "session_token", "3600", canary), "t+OK\r\n", "r" + resp("SADD", "token", "a", canary), "t:2\r\n", "r" + resp("SET", "token", canary, "EX", "9", "NX"), "t+OK\r\n"},
		want: []string{"SETEX session_token **** **************** 68 > OK 5", "SADD token * **************** 55 > 2 4", "SET token **************** EX * NX 70 > OK 5"}, hides: canary},
	{name: "more than one", say: []string{"r" + resp("LPUSH", "passwords", canary), "t:1\r\n", "r" + resp("LRANGE", "passwords", "0", "-1"), "t*1\r\n$16\r\n" + canary + "\r\n", "r" + resp("HVALS", "u"), "t*1\r\n$16\r\n" + canary + "\r\n"},
		want: []string{"LPUSH passwords **************** 53 > 1 4", "LRANGE passwords * ** 46 > list of 1 27", "HVALS u 22 > list of 1 27"}, hides: canary},
	{name: "scripts", say: []string{"r" + resp("EVAL", "call('AUTH','"+canary+"')", "0"), "t$16\r\n" + canary + "\r\n", "r" + resp("SCRIPT", "LOAD", "x='"+canary+"'"), "t+ab\r\n", "r" + resp("EVAL", strings.Repeat(canary, 20), "0"), "t+shown\r\n"},
		want: []string{"EVAL ******************************* 0 59 > string 23", "SCRIPT LOAD ******************** 53 > ab 5", "EVAL ... 0 349 > shown 8"}, hides: canary, shows: "shown"},
	{name: "transaction", say: []string{"r" + resp("MULTI") + resp("GET", "token") + resp("EXEC"), "t+OK\r\n+QUEUED\r\n*1\r\n$16\r\n" + canary + "\r\n", "r" + resp("MULTI") + resp("CONFIG", "GET", "*") + resp("EXEC"),
		"t+OK\r\n+QUEUED\r\n*1\r\n*4\r\n$1\r\na\r\n$1\r\nb\r\n$10\r\nmasterauth\r\n$16\r\n" + canary + "\r\n"},
		want: []string{"MULTI 15 > OK 5", "GET token 24 > QUEUED 9", "EXEC 14 > list of 1 27", "MULTI 15 > OK 5", "CONFIG GET * 32 > QUEUED 9", "EXEC 14 > list of 1 62"}, hides: canary},
	{name: "no replies", say: []string{"r" + resp("CLIENT", "REPLY", "SKIP") + resp("GET", "a") + resp("GET", "token") + resp("PING"), "t$16\r\n" + canary + "\r\n+PONG\r\n",
		"r" + resp("client", "reply", "off") + resp("GET", "a") + resp("CLIENT", "REPLY", "ON"), "t+OK\r\n"},
		want: []string{"CLIENT REPLY SKIP 37 >  0", "GET a 20 >  0", "GET token 24 > string 23", "PING 14 > PONG 7", "CLIENT reply off 36 >  0", "GET a 20 >  0", "CLIENT REPLY ON 35 > OK 5"}, hides: canary},
	{name: "empty request, cut", say: []string{"r" + resp("PING"), "t+PONG\r\n", "r*0\r\n" + resp("GET", "a"), "t$1\r\nb\r\n"},
		want: []string{"PING 14 > PONG 7", "GET a 20 > string 7"}},
	{name: "subscribed", say: []string{"r" + resp("SUBSCRIBE", "a", "b") + resp("PING"), "t*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n" + "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n" + "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n"},
		want: []string{"SUBSCRIBE a b 33 > list of 3 30", "PUSH 0 > subscribe 30", "PUSH 0 > message 32", "PING 14 > list of 2 20"}},
	{name: "subscribed, RESP 3", say: []string{"r" + resp("SUBSCRIBE", "a") + resp("GET", "token"), "t>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n" + ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n$16\r\n" + canary + "\r\n"},
		want: []string{"SUBSCRIBE a 26 > 3 30", "PUSH 0 > message 32", "GET token 24 > string 23"}, hides: canary},
	{name: "migrate", say: []string{"r" + resp("MIGRATE", "h", "6379", "k", "0", "9", "AUTH2", "me", canary), "t+OK\r\n"},
		want: []string{"MIGRATE h 6379 k 0 9 AUTH2 ** **************** 97 > OK 5"}, hides: canary},
	{name: "long value", say: []string{"r" + resp("SET", "k", strings.Repeat("v", 5000)), "t+OK\r\n", "r" + resp("GET", "k"), "t$300\r\n" + strings.Repeat("w", 300) + "\r\n"},
		want: []string{"SET k ... 5029 > OK 5", "GET k 20 > string 308"}},
	{name: "subscription", say: []string{"r" + resp("SUBSCRIBE", "c"), "t*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", "t*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n", "t>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n"},
		want: []string{"SUBSCRIBE c 26 > list of 3 30", "PUSH 0 > message 32", "PUSH 0 > message 32"}},
	{name: "inline", port: 6379, say: []string{"r" + resp("PING"), "t+PONG\r\n", "rPING\r\n", "t+PONG\r\n", "rauth " + canary + "\r\n", "t+OK\r\n"},
		want: []string{"PING 14 > PONG 7", "PING 6 > PONG 7", "AUTH **************** 23 > OK 5"}, hides: canary},
	{name: "unanswered", say: []string{"r" + resp("PING")}, want: []string{"PING 14 >  0 unanswered"}},
	{name: "cut reply", say: []string{"r" + resp("PING"), "t$5\r\nab"}, want: []string{"PING 14 >  0 unanswered"}},
}

func TestRedis(t *testing.T) { checkSaid(t, "redis", redisCases) }

// TestRedisJoined: a connection that was open before is decoded from the first record
// that begins with a message.
func TestRedisJoined(t *testing.T) {
	f := newFeed(t, Config{})
	f.conn.LPort = 6379
	f.send(tx, "$3\r\nabc\r\n").send(rx, resp("GET", "k")).send(tx, "$1\r\nv\r\n")
	if d := cmp.Diff([]string{" 0 > string 9", "GET k 20 > string 7"}, said(f.close())); d != "" {
		t.Error(d)
	}
}

// TestRedisGap: after a gap no possible secret is shown, and no reply is assigned to
// the wrong request.
func TestRedisGap(t *testing.T) {
	f := newFeed(t, Config{}).both()
	f.send(rx, resp("PING")).lose(tx).send(rx, resp("GET", "k")).send(tx, "$1\r\nv\r\n")
	f.send(rx, resp("AUTH", canary)[:16]).lose(rx).send(rx, canary+"\r\n").send(rx, resp("PING")).send(tx, "+PONG\r\n")
	out := f.close()
	want := []string{"PING 14 >  0 gap", "GET k 20 >  0 gap", " 0 > string 7", "AUTH 14 >  0 gap", "PING 14 > PONG 7"}
	if d := cmp.Diff(want, said(out)); d != "" {
		t.Error(d)
	}
	if l := leaks(inJSON(t, out)); l != "" {
		t.Error(l)
	}
}

// TestUnknownProtocol: text is shown in lines, other bytes in hex up to a limit, and a
// note says once what shows more. Without --no-redact they may be the rest of a frame.
func TestUnknownProtocol(t *testing.T) {
	f := newFeed(t, Config{Rules: NoRules()}).both()
	for range 2 {
		f.send(rx, "get some\r\n").send(tx, "\x80\x01\x00\x05\xff\xfe\x00\x81"+strings.Repeat("\x9c\x00", 100))
	}
	text := string(f.close().text)
	if n := strings.Count(text, "ktlstop tap with tshark"); n != 1 {
		t.Errorf("it is said %d times in\n%s", n, text)
	}
	for _, want := range []string{"    get some\n", "    0000  80 01 00 05 ff fe 00 81", "    0070  ", "    [80 more bytes]\n"} {
		if strings.Count(text, want) != 2 {
			t.Errorf("%q is not there twice:\n%s", want, text)
		}
	}
}
