package inspect

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// The canaries must not be in any output. HPACK writes the second one literally, since
// its Huffman code is longer.
const (
	canary  = "Q7kz0canaryX9vPq"
	canary2 = "<{^}>~\\{^}~<|>^`"
	pattern = `token=[\w.-]+`
)

// secretive are conversations with a canary in every place that must be masked.
func secretive() (all [][]string) {
	all = append(all, []string{
		"rPOST /a?token=" + canary + "&b=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Basic " + canary + "\r\nCOOKIE:" + canary + "\r\n" +
			"Proxy-Authorization : x\r\n  " + canary + "\r\nContent-Length: 41\r\n\r\na token=" + canary + "\nplain\nset-coo",
		"tHTTP/1.1 200 OK\r\nSet-Cookie: a=" + canary + "; Path=/\r\nset-cookie: b=" + canary + "\r\nTransfer-Encoding: chunked\r\n\r\n" +
			"a\r\n1 token=Q7\r\n10\r\nkz0canaryX9vPq\n.\r\n0\r\nCookie: " + canary + "\r\n\r\n",
	})
	c, s := newClient(), newServer()
	c.get(1, "/x?token="+canary, "authorization", canary, "cookie", canary2, "x-note", "token="+canary)
	s.headers(1, false, ":status", "200", "set-cookie", canary2).data(1, false, "1 token=Q7kz0can").data(1, true, "aryX9vPq 2\nCookie: "+canary+"\n")
	all = append(all, []string{"r" + c.take(), "t" + s.take()})
	return append(all, []string{"rLOGIN x\nAuthorization: " + canary + "\n say token=" + canary + " end"})
}

// everything is the whole output in any form.
func everything(o *shown) []byte {
	all := slices.Concat(o.payload[0], []byte("\n\n"), o.payload[1], []byte("\n\n"), o.text)
	for _, h := range o.http {
		all = fmt.Appendf(all, "%+v %+v %+v\n", h, h.Request, h.Response)
	}
	return fmt.Appendf(all, "%+v %q", o.said, o.notes)
}

// leaks reports whether any six bytes of a canary are in the output.
func leaks(b []byte) string {
	for _, c := range []string{canary, canary2} {
		for i := 0; i+6 <= len(c); i++ {
			if at := bytes.Index(b, []byte(c[i:i+6])); at >= 0 {
				return string(b[max(at-40, 0):min(at+40, len(b))])
			}
		}
	}
	return ""
}

// cuts are random ends of records.
func cuts(rng *rand.Rand, n int) (ends []int) {
	for range rng.IntN(8) {
		ends = append(ends, rng.IntN(n+1))
	}
	slices.Sort(ends)
	return slices.Compact(ends)
}

func TestNoSecretIsShown(t *testing.T) {
	for seed := range uint64(800) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for i, say := range secretive() {
			f := newFeed(t, Config{}, pattern).both()
			said := 0
			for _, one := range say {
				d := map[byte]event.Dir{'r': rx, 't': tx}[one[0]]
				f.split(d, []byte(one[1:]), cuts(rng, len(one)-1)...)
				said += len(one) - 1
			}
			out := f.close()
			if l := leaks(everything(out)); l != "" {
				t.Fatalf("seed %d, conversation %d: %q", seed, i, l)
			}
			if n := len(out.payload[0]) + len(out.payload[1]); n != said || len(out.notes) > 0 {
				t.Fatalf("seed %d, conversation %d: %d of %d bytes shown, notes %q", seed, i, n, said, out.notes)
			}
		}
	}
}

// TestNoSecretBehindGaps: if records or their ends are missing, the possible rest of a
// header field is masked too.
func TestNoSecretBehindGaps(t *testing.T) {
	head := "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: " + strings.Repeat(canary, 9) + "\r\nCookie: " + canary + "\r\n\r\n"
	c := newClient()
	both := [][]byte{[]byte(head + head), []byte(c.get(1, "/", "cookie", strings.Repeat(canary2, 9)).get(3, "/", "authorization", canary2).take())}
	for seed := range uint64(800) {
		rng := rand.New(rand.NewPCG(seed, 2))
		for _, b := range both {
			f := newFeed(t, Config{})
			if rng.IntN(2) == 0 {
				f.both()
			}
			from := 0
			for _, to := range append(cuts(rng, len(b)), len(b)) {
				switch rng.IntN(4) {
				case 0:
					f.lose(rx)
				case 1:
					f.sendCut(rx, string(b[from:to]), rng.IntN(to-from+1))
				default:
					f.send(rx, string(b[from:to]))
				}
				from = to
			}
			if l := leaks(everything(f.close())); l != "" {
				t.Fatalf("seed %d: %q", seed, l)
			}
		}
	}
}

func TestNoRedact(t *testing.T) {
	for _, say := range secretive() {
		f := newFeed(t, Config{Rules: NoRules()}).both()
		converse(f, say, 10)
		out := f.close()
		for _, one := range say {
			if got := out.payload[map[byte]event.Dir{'r': rx, 't': tx}[one[0]]]; string(got) != one[1:] {
				t.Errorf("got %q, want %q", got, one[1:])
			}
		}
	}
}

// TestMaskedBytes compares exactly which bytes become asterisks.
func TestMaskedBytes(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Authorization: abc\r\nX: abc\r\n", "Authorization:****\r\nX: abc\r\n"},
		{"cookie:a\n b\n\tc\nd\n", "cookie:*\n**\n**\nd\n"},
		{"Cookies: abc\nXCookie: abc\n", "Cookies: abc\nXCookie: abc\n"},
		{"Cookie\n: abc\n", "Cookie\n: abc\n"},
		{"a=12 b=3\nb=4444", "a=12 ***\n******"},
		{"", ""},
	} {
		for size := 1; size < 8; size++ {
			f := newFeed(t, Config{}, `b=\d+`).both()
			if c.in != "" {
				converse(f, []string{"r" + c.in}, size)
			}
			if got := string(f.close().payload[rx]); got != c.want {
				t.Errorf("%q in records of %d becomes %q, want %q", c.in, size, got, c.want)
			}
		}
	}
}

// TestLongLines: in a line that is longer than the stored part, matches are still found
// across records.
func TestLongLines(t *testing.T) {
	line := bytes.Repeat([]byte("x"), 3*maxLine)
	at := []int{10, maxLine - 8, maxLine + maxLine/2 - 5, 2*maxLine - 3, 3*maxLine - 40}
	for _, i := range at {
		copy(line[i:], " token="+canary+" ")
	}
	f := newFeed(t, Config{}, pattern).both()
	for i := 0; i < len(line); i += 1000 {
		f.send(rx, string(line[i:min(i+1000, len(line))]))
		if f.in.held > 3*maxLine {
			t.Fatalf("%d bytes are held", f.in.held)
		}
	}
	out := f.close()
	if l := leaks(everything(out)); l != "" || len(out.payload[rx]) != len(line) {
		t.Errorf("%d bytes, %q", len(out.payload[rx]), l)
	}
	if n := bytes.Count(out.payload[rx], []byte("*")); n != len(at)*len("token="+canary) {
		t.Errorf("%d bytes are masked", n)
	}
}

func TestRules(t *testing.T) {
	for _, bad := range []string{"(", "a*", ""} {
		if _, err := NewRules([]string{bad}); err == nil {
			t.Errorf("pattern %q is taken", bad)
		}
	}
	r, err := NewRules([]string{"x+"})
	if err != nil {
		t.Fatal(err)
	}
	want := "header fields, URL parameters, members of JSON and commands with credentials, /x+/"
	if d := cmp.Diff(want, r.String()); d != "" {
		t.Error(d)
	}
	if NoRules().String() != "nothing" {
		t.Error(NoRules())
	}
}
