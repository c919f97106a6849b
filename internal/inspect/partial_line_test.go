package inspect

import (
	"bytes"
	"strings"
	"testing"
)

// TestTornText says which bytes after a gap in a body are shown, after the masked ones.
func TestTornText(t *testing.T) {
	for _, c := range []struct{ before, behind, shows string }{
		// A name that is cut, whole after the gap, or lost.
		{`{"a":"b","access_to`, `ken":"ab","c":1}`, `1}`},
		{`{"a":"b`, `access_token":"ab","c":1}`, `1}`},
		{`{"a":"b","access_token`, `":"ab","c":1}`, `1}`},
		{`{"a":"b","`, `:"ab","c":1}`, `1}`},
		{`{"a":"b","`, ` "ab","c":1}`, `1}`},
		{`{"acc`, `ess_token":"a b"}`, ``},
		{`{"acc`, `ess_token" : "a b", "c" : 1}`, ` 1}`},
		{`{"acc`, ` : "a b","c":1}`, `1}`},
		{`{'acc`, `ess_token': 'a b', 'c': 1}`, ``},
		// The following text is examined separately.
		{`{"a":"b`, `c","token":"ab","d":"e"}`, `"**","d":"e"}`},
		{`{"a":"b`, `c","x":{"d":"e"}}`, `{"d":"e"}}`},
		{`{"a":["b`, `c,",",d:"],"e":"f"}`, `"f"}`},
		{`{"a":"b`, `c,\"d\":\"ab\"","e":1}`, `1}`},
		// A line ends it, and an earlier member is a reason to mask that far.
		{`{"a":"b`, "c d&e\n\"f g\n", "\n\"f g\n"},
		{`{"pass`, "a b&c\nd\n", " b&c\nd\n"},
		// Text and forms.
		{`a=1&passw`, `ord=ab&c=d`, `&c=d`},
		{`a=1&passw`, `ord="a b"&c=d`, ``},
		{"see ", "this and that", " and that"},
		{"see ", " this and that", " and that"},
	} {
		for size := 1; size <= len(c.behind); size++ {
			head := "POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n" + c.before
			f := newFeed(t, Config{}).both().sendCut(rx, head+"lost", len(head))
			converse(f, []string{"r" + c.behind}, size)
			if got := string(f.close().payload[rx][len(head):]); strings.TrimLeft(got, "*") != c.shows || len(got) != len(c.behind) {
				t.Errorf("%q behind %q in records of %d becomes %q, want %q", c.behind, c.before, size, got, c.shows)
			}
		}
	}
}

// TestTornTwice: after a second gap, no more is known than after the first.
func TestTornTwice(t *testing.T) {
	head := "POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n{\"acc"
	f := newFeed(t, Config{}).both().sendCut(rx, head+"lost", len(head)).sendCut(rx, `oken":"a blost`, 9).send(rx, "c d")
	if got := string(f.close().payload[rx][len(head):]); strings.Trim(got, "*") != "" {
		t.Errorf("%q is shown", got)
	}
}

// TestTornBounds: text without an end as in JSON is shown at last, where a value would end.
func TestTornBounds(t *testing.T) {
	head := "POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n{\"a\":\"b"
	f := newFeed(t, Config{}).both().sendCut(rx, head+"lost", len(head)).send(rx, strings.Repeat(".", maxUnknown+9)+" shown")
	if got := f.close().payload[rx][len(head):]; string(bytes.Trim(got, "*")) != " shown" {
		t.Errorf("%d bytes are shown", len(bytes.Trim(got, "*")))
	}
}

// TestMembersBehindGaps: for a gap at any position in JSON, no byte of a member's secret
// shows.
func TestMembersBehindGaps(t *testing.T) {
	head := "POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n"
	for _, before := range []string{`{"a":"b,c","access_token"`, "{\n  \"a\" : 1,\n  \"password\" ", `{"a":["b",",",":"],"d":{"e":[1,2]},"pin"`} {
		for _, value := range []string{`"` + canary + `"`, `"a b&c, #d: e"`, `"a\"b\\ c"`, `12345`, `["ab","cd e"]`} {
			say := head + before + ": " + value + `,"x":"y"}`
			at := strings.Index(say, value)
			checkTorn(t, say, at-len(`"access_token": `), at, at+len(value))
		}
	}
}

// checkTorn cuts the text from each offset after the given one to each offset before the end
// of a secret, and checks that nothing of the secret is shown except its punctuation.
func checkTorn(t *testing.T, say string, behind, secret, end int) {
	t.Helper()
	for from := behind; from < end; from++ {
		for to := from + 1; to < end; to++ {
			got := newFeed(t, Config{}).both().sendCut(rx, say[:to], from).send(rx, say[to:]).close().payload[rx]
			shown := string(got[:from]) + strings.Repeat("*", to-from) + string(got[from:])
			if s := strings.Trim(shown[secret:end], `*"`); s != "" {
				t.Fatalf("%q cut to %q: %q of the secret is shown", say[:from], say[to:], s)
			}
		}
	}
}
