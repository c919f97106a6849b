package inspect

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// fields that carry credentials, as their programs spell them.
var credentialFields = []string{"Authorization", "Cookie", "Set-Cookie", "Proxy-Authorization", "Authentication-Info",
	"Proxy-Authentication-Info", "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token", "X-Vault-Token", "PRIVATE-TOKEN",
	"JOB-TOKEN", "x-goog-api-key", "X-Goog-IAM-Authorization-Token", "Api-Key", "apikey", "Ocp-Apim-Subscription-Key",
	"X-CSRF-Token", "X-XSRF-TOKEN", "X-Access-Token", "X-Gitlab-Token", "X-GitHub-Token", "X-Shopify-Access-Token",
	"Sec-WebSocket-Protocol", "X-Some-New-Token", "X_API_KEY",
	"X-Ms-Authorization-Auxiliary", "X-Ms-Copy-Source-Authorization", "X-Forwarded-Authorization", "X-Original-Authorization",
	"X-Registry-Auth", "X-Registry-Config", "X-Sentry-Auth", "X-Emby-Authorization", "X-Auth", "JWT", "X-JWT-Assertion",
	"CB-ACCESS-PASSPHRASE", "X-Parse-Master-Key", "X-Secret-Key", "X-Private-Key", "X-Amz-Server-Side-Encryption-Customer-Key",
	"X-GitHub-OTP", "X-OTP", "Set-Cookie2", "X-Session-Id"}

// harmlessFields are fields whose names no rule masks.
var harmlessFields = []string{"Host", "Accept", "User-Agent", "WWW-Authenticate", "Sec-WebSocket-Key", "Idempotency-Key",
	"ETag", "Surrogate-Key", "X-Request-Id", "Traceparent", "X-Amz-Content-Sha256", "Content-Type", "Author", "Keep-Alive"}

func TestHarmlessFields(t *testing.T) {
	for _, name := range harmlessFields {
		out := newFeed(t, Config{}).both().send(rx, "GET / HTTP/1.1\r\n"+name+": "+canary+"\r\n\r\n").close()
		if leaks(everything(out)) == "" {
			t.Errorf("%s is masked", name)
		}
	}
}

// TestSecretFields: in HTTP/1 and HTTP/2, in bytes, in events and in notes.
func TestSecretFields(t *testing.T) {
	for _, name := range credentialFields {
		h1 := newFeed(t, Config{}).both().send(rx, "GET / HTTP/1.1\r\nHost: h\r\n"+name+": "+canary+"\r\n\r\n").close()
		h2 := newFeed(t, Config{}).both().send(rx, newClient().get(1, "/", strings.ToLower(name), canary).take()).close()
		for _, out := range []*shown{h1, h2} {
			if l := leaks(everything(out)); l != "" || len(out.http) != 1 || len(out.notes) > 0 {
				t.Errorf("%s: %q, notes %q", name, l, out.notes)
			}
		}
	}
}

// TestNeverIndexed: a field that the sender marks as never indexed in HPACK is a
// secret.
func TestNeverIndexed(t *testing.T) {
	c := newClient()
	c.block.Reset()
	for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/"}, {Name: "x-own", Value: canary, Sensitive: true}} {
		if err := c.enc.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.block.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	out := newFeed(t, Config{}).both().send(rx, c.take()).close()
	if l := leaks(everything(out)); l != "" || len(out.http) != 1 || len(out.http[0].Request.Headers) != 3 {
		t.Errorf("%q in %+v", l, out.http)
	}
}

// TestMaskedText compares exactly which bytes of a text outside HTTP are masked.
func TestMaskedText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		// Malformed fields.
		{"Cookie : abc\nx: y\n", "Cookie :****\nx: y\n"},
		{"Cookie\t: abc\n", "Cookie\t:****\n"},
		{" Authorization: abc\n", " Authorization:****\n"},
		{"Authorization Bearer abc\n", "Authorization **********\n"},
		{"Authorization=abc\n", "Authorization****\n"},
		{"Cookie\n abc\nd\n", "Cookie\n****\nd\n"},
		{"Cookie: a\n b\n\tc\nd\n", "Cookie:**\n**\n**\nd\n"},
		{"\"cookie\": \"abc\"\n", "\"cookie\":******\n"},
		// URLs.
		{"see http://u:pw@h/x and http://u@h\n", "see http://****@h/x and http://*@h\n"},
		{"postgres://u:p/w?a@h:5432/db\n", "postgres://*******@h:5432/db\n"},
		{"http://h:80/@x http://[::1]:80 http://h a@b\n", "http://h:80/@x http://[::1]:80 http://h a@b\n"},
		{"http://u:a@b@h/ ://u:1234@h\n", "http://*****@h/ ://******@h\n"},
		{"/x?a=1&access_token=abc&b=2#c\n", "/x?a=1&access_token=***&b=2#c\n"},
		{"?X-Amz-Signature=ab&X-Amz-Credential=cd%2F/e&X-Amz-Date=1\n", "?X-Amz-Signature=**&X-Amz-Credential=*******&X-Amz-Date=1\n"},
		{"sig=a api_key=b token=\"c d\" password='e'&f\n", "sig=* api_key=* token=\"***\" password='*'&f\n"},
		{"user[password]=ab&user%5Bpassword%5D=cd\n", "user[password]=**&user%5Bpassword%5D=**\n"},
		{"sign=ab tokens=cd status_code=200\n", "sign=ab tokens=cd status_code=200\n"},
		{"?%74oken=ab&token%20=ab&token[]=ab&passwords[]=ab&user[password][]=ab&user[pin]=ab&b[tokens][1]=ab\n",
			"?%74oken=**&token%20=**&token[]=**&passwords[]=**&user[password][]=**&user[pin]=**&b[tokens][1]=**\n"},
		{"?keys[]=ab&a[]=ab&a%20=ab&%74okens=ab\n", "?keys[]=**&a[]=ab&a%20=ab&%74okens=ab\n"},
		{"?password2=ab&connect.sid=ab&_csrf=ab&secret_key=ab&page2=ab\n", "?password2=**&connect.sid=**&_csrf=**&secret_key=**&page2=ab\n"},
		{"/cb?code=ab&state=cd#x\n", "/cb?code=**&state=cd#x\n"},
		{"grant_type=x&code=a&code_verifier=b&client_secret=c&refresh_token=d&assertion=e&id_token=f&device_code=g\n",
			"grant_type=x&code=*&code_verifier=*&client_secret=*&refresh_token=*&assertion=*&id_token=*&device_code=*\n"},
		{"Host: u:ab@h:1\nhost: h:x a@b\nHost:[::1]:80\n:authority: u:ab@h\nghost: a@b\n",
			"Host: ****@h:1\nhost: h:x a@b\nHost:[::1]:80\n:authority: ****@h\nghost: a@b\n"},
		{"\ufeffCookie: ab\n\u00a0Cookie: ab\n-Cookie: ab\n> Cookie: ab\n", "\ufeffCookie:***\n\u00a0Cookie:***\n-Cookie:***\n> Cookie:***\n"},
		// JSON.
		{`{"access_token":"ab","a":1}`, `{"access_token":"**","a":1}`},
		{`{"user":"a","password" : "a\"b","pin":12,"b":"c"}`, `{"user":"a","password" : "****","pin":**,"b":"c"}`},
		{`{"a":{"passwd":null},"tokens":1,"code":0,"key":"a","accessToken": "a b"}`, `{"a":{"passwd":****},"tokens":1,"code":0,"key":"a","accessToken": "***"}`},
		{`{"a":1,"secret":["a","b"],"c":1}` + "\nd\n", `{"a":1,"secret":****************` + "\nd\n"},
		{`{"a":1,"secret":{"name":"a"},'token':'b'}`, `{"a":1,"secret":{"name":"a"},'token':'*'}`},
		{`{"a":"b:c=d","token":"e&f","x":"token"}`, `{"a":"b:c=d","token":"***","x":"token"}`},
		// Commands.
		{"USER u\r\nPASS p w\r\nLIST\r\n", "USER u\r\nPASS ***\r\nLIST\r\n"},
		{"EHLO h\nAUTH PLAIN abc=\nMAIL FROM\n", "EHLO h\nAUTH PLAIN ****\nMAIL FROM\n"},
		{"auth login\nabc\ndef\nMAIL\n", "auth *****\n***\n***\nMAIL\n"},
		{"a1 LOGIN u p\na2 SELECT x\n", "a1 LOGIN ***\na2 SELECT x\n"},
		{"a1 LOGIN {1}\nu {3}\na b\na2 NOOP\n", "a1 LOGIN ***\n*****\n***\na2 NOOP\n"},
		{"AUTH LOGIN dXNlcg==\ncGFzcw==\nMAIL FROM\n", "AUTH **************\n********\nMAIL FROM\n"},
		{"auth plainly abc\ncGFzcw==\nMAIL FROM\n", "auth ***********\n********\nMAIL FROM\n"},
		{"a AUTHENTICATE PLAIN\nabc\nb NOOP\nc\n", "a AUTHENTICATE *****\n***\n******\nc\n"},
		{"*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n", "*2\r\n$4\r\nAUTH\r\n$2\r\n**\r\n"},
		{"Bearer ab\nBearers ab\n", "Bearer **\nBearers ab\n"},
		{"AUTHINFO PASS ab\nACCT ab\n", "AUTHINFO *******\nACCT **\n"},
		{"250 AUTH LOGIN PLAIN\nPASSAGE x\nAUTHOR y\n", "250 AUTH LOGIN PLAIN\nPASSAGE x\nAUTHOR y\n"},
	} {
		for size := 1; size < 40; size += 1 + size/4 {
			f := newFeed(t, Config{}).both()
			converse(f, []string{"r" + c.in}, size)
			if got := string(f.close().payload[rx]); got != c.want {
				t.Errorf("%q in records of %d becomes %q, want %q", c.in, size, got, c.want)
			}
		}
	}
}

// TestCommandsBehindGaps: a line that is masked because a gap cut a command may be a
// command itself.
func TestCommandsBehindGaps(t *testing.T) {
	for _, second := range []string{"auth login\r\n" + canary2 + "\r\n" + canary, "a AUTHENTICATE PLAIN\r\n" + canary, "a LOGIN u {16}\r\n" + canary} {
		for _, between := range []string{"", "x\r\n", "x\r\nx\r\n", "x\r\nx\r\nx\r\n"} {
			out := newFeed(t, Config{}).both().send(rx, "a AUTH").lose(rx).send(rx, "x\r\n"+between+second+"\r\n").close()
			if l := leaks(inJSON(t, out)); l != "" {
				t.Errorf("%q", out.text)
			}
		}
	}
}

// TestJSONBehindGaps: a value that a gap cuts, or separates from its name, is masked.
func TestJSONBehindGaps(t *testing.T) {
	head := "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999\r\n\r\n"
	before, name, value := head+`{"a":"b",`, `"password" : `, `"`+canary+`"}`
	say := before + name + value
	for from := len(before) + 10; from < len(say); from++ {
		for to := from + 1; to <= len(before+name)+1; to++ {
			f := newFeed(t, Config{}).both().send(rx, say[:from]).lose(rx).send(rx, say[to:])
			if l := leaks(everything(f.close())); l != "" {
				t.Errorf("%q lost to %q: %q", say[:from], say[to:], l)
			}
			// The body's length is reliable.
			f = newFeed(t, Config{}).both().sendCut(rx, say[:to], from).send(rx, say[to:])
			if l := leaks(everything(f.close())); l != "" {
				t.Errorf("%q cut to %q: %q", say[:from], say[to:], l)
			}
		}
	}
}

// TestUserInAuthority: Host and :authority may have a user and a password.
func TestUserInAuthority(t *testing.T) {
	for _, say := range []string{"GET / HTTP/1.1\r\nHost: u:" + canary + "@h\r\n\r\n",
		newClient().headers(1, true, ":method", "GET", ":authority", "u:"+canary+"@h", ":path", "/").take()} {
		for size := 1; size < 60; size += 7 {
			f := newFeed(t, Config{}).both()
			converse(f, []string{"r" + say}, size)
			if out := f.close(); leaks(inJSON(t, out)) != "" || len(out.http) != 1 {
				t.Errorf("in records of %d: %q", size, leaks(inJSON(t, out)))
			}
		}
	}
}

// TestURLsInHTTP: in the request line, fields, and bodies that are cut.
func TestURLsInHTTP(t *testing.T) {
	url := "https://u:" + canary + "@h/p?api_key=" + canary
	h1 := "GET " + url + " HTTP/1.1\r\nHost: h\r\nReferer: " + url + "\r\nContent-Length: 29\r\n\r\na=1&password=" + canary
	h2 := newClient().headers(1, false, ":method", "POST", ":path", "/p?sig="+canary, "referer", url).data(1, false, url[:12]).data(1, true, url[12:]).take()
	for _, b := range []string{h1, h2} {
		for size := 1; size < 60; size += 7 {
			f := newFeed(t, Config{}).both()
			converse(f, []string{"r" + b}, size)
			if out := f.close(); leaks(everything(out)) != "" || len(out.http) != 1 || len(out.notes) > 0 {
				t.Errorf("in records of %d: %q, notes %q", size, leaks(everything(out)), out.notes)
			}
		}
	}
}

// TestCutURL: a password that a gap or the end cuts before its @ is masked.
func TestCutURL(t *testing.T) {
	head := "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n"
	for _, first := range []string{head + "https://u:" + canary[:8], head + "token=" + canary[:8], "talk https://u:" + canary[:8] + "\x00"} {
		f := newFeed(t, Config{}).both().sendCut(rx, first+"....", len(first))
		if l := leaks(everything(f.send(rx, canary[8:]+"@h/").close())); l != "" {
			t.Errorf("%q: %q", first, l)
		}
	}
	out := newFeed(t, Config{}).both().send(rx, head+"https://u:"+canary).close()
	if l := leaks(everything(out)); l != "" {
		t.Error(l)
	}
}

// TestNotesQuoteNothing: net/http's errors quote the faulty line.
func TestNotesQuoteNothing(t *testing.T) {
	for _, line := range []string{"Cookie\t: session=" + canary, " Authorization: Bearer " + canary, "Authorization Bearer " + canary,
		"Set-Cookie " + canary + "\r\n\t" + canary} {
		for _, first := range []string{"GET / HTTP/1.1", "HTTP/1.1 200 OK"} {
			f := newFeed(t, Config{}).both().send(rx, first+"\r\n"+line+"\r\nHost: h\r\n\r\n")
			if out := f.close(); leaks(everything(out)) != "" || len(out.notes) != 1 {
				t.Errorf("%q: %q, notes %q", line, leaks(everything(out)), out.notes)
			}
		}
	}
	f := newFeed(t, Config{}).both().send(rx, "GET / HTTP/"+canary+"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
	for _, note := range f.close().notes {
		if l := leaks([]byte(note)); l != "" {
			t.Error(note)
		}
	}
}

// TestFreshInTheMiddle: the first record of a key does not prove that HTTP/2 began with
// it. There may have been early data, for example.
func TestFreshInTheMiddle(t *testing.T) {
	c := newClient()
	c.take()
	block := c.get(1, "/", "authorization", canary2, "x-own", canary2).take()
	more := c.get(3, "/", "cookie", canary2).take()
	for at := 0; !isText([]byte(block[at:])); at++ {
		out := newFeed(t, Config{}).both().send(rx, block[at:]).send(rx, more).close()
		if l := leaks(everything(out)); l != "" {
			t.Fatalf("from %d: %q", at, l)
		}
	}
	// Fields after text, and after more undecodable bytes than are hidden, in any
	// pieces.
	long := "some text\n" + strings.Repeat("\x01\x02", maxUnknown) + block
	for at := len(long) - len(block); at < len(long); at++ {
		out := newFeed(t, Config{}).both().split(rx, []byte(long), maxUnknown, 2*maxUnknown, at).close()
		if l := leaks(everything(out)); l != "" {
			t.Fatalf("cut at %d: %q", at, l)
		}
	}
	// The server's SETTINGS do prove it.
	out := newFeed(t, Config{}).both().send(tx, newServer().headers(1, true, ":status", "204").take()).close()
	if d := cmp.Diff([]string{"rx 2#1 > 204 1+0 complete"}, lens(out)); d != "" || len(out.notes) > 0 {
		t.Errorf("%s notes %q", d, out.notes)
	}
}

// TestTunneledFields: HTTP/2 by upgrade is not decoded, and its fields are hidden.
func TestTunneledFields(t *testing.T) {
	f := newFeed(t, Config{}).both()
	f.send(rx, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n")
	f.send(tx, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n")
	out := f.send(rx, newClient().get(3, "/", "cookie", canary2).take()).close()
	if l := leaks(everything(out)); l != "" {
		t.Error(l)
	}
}

// TestMasksAreDocumented: docs/masks.md lists exactly the names that are masked.
// Besides, it names some fields and parameters that endings make secrets.
func TestMasksAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/masks.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"Header fields": keys(secretFields.all), "Parameters": keys(secretParameters.all),
		"Endings": slices.Sorted(slices.Values(secretEndings)), "Commands": keys(secretCommands)}
	for _, section := range bytes.Split(b, []byte("\n## "))[1:] {
		title, text, _ := strings.Cut(string(section), "\n")
		var got []string
		for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(text, -1) {
			for _, name := range regexp.MustCompile("`[^`]+`").FindAllString(row[1], -1) {
				got = append(got, strings.ReplaceAll(strings.ToLower(strings.Trim(name, "`")), "_", "-"))
			}
		}
		slices.Sort(got)
		for _, name := range got {
			if is := map[string]func([]byte) bool{"Header fields": secretField, "Parameters": secretParameter}[title]; is != nil {
				if !is([]byte(name)) {
					t.Errorf("%s: %s is not masked", title, name)
				} else if !slices.Contains(want[title], name) {
					want[title] = append(want[title], name)
				}
			}
		}
		slices.Sort(want[title])
		if d := cmp.Diff(want[title], slices.Compact(got)); d != "" && want[title] != nil {
			t.Errorf("%s: %s", title, d)
		}
		delete(want, title)
	}
	if len(want) > 0 {
		t.Errorf("no section for %v", want)
	}
}

func keys[V any](m map[string]V) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// TestFalseLength: the bytes after the length that a head or a chunk claimed are
// perhaps the rest of a secret, whatever follows.
func TestFalseLength(t *testing.T) {
	const form = "a=1&password=" + canary
	next := "GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
	for said := 1; said < len(form); said++ {
		for _, head := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n", said), fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", said)} {
			for _, behind := range []string{"", "\r\n", next, "\r\n" + next} {
				for _, size := range []int{1, 2, 7, said + 1, 999} {
					f := newFeed(t, Config{}).both()
					converse(f, []string{"rPOST / HTTP/1.1\r\nHost: h\r\n" + head + form + behind}, size)
					if l := leaks(everything(f.close())); l != "" {
						t.Fatalf("%q says %d, in records of %d, before %q: %q", head, said, size, behind, l)
					}
				}
			}
		}
	}
}

// TestMessagesBehindBodies: a body that ends within a line, even within a secret, does
// not make the next request uncertain.
func TestMessagesBehindBodies(t *testing.T) {
	post := "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\npassword=x"
	for size := 1; size < 60; size += 7 {
		f := newFeed(t, Config{}).both()
		converse(f, []string{"r" + post + "PROPFIND /b HTTP/1.1\r\nHost: h\r\n\r\n" + post + "\r\n" + post}, size)
		if out := f.close(); len(out.http) != 4 || len(out.notes) > 0 {
			t.Errorf("in records of %d: %d requests, notes %q", size, len(out.http), out.notes)
		}
	}
}

// TestCutCommands: the text of a command with credentials after a gap is masked, in its
// own line and in the following ones, at any position of the gap once the command has
// begun. If the protocol is known, decoding continues with the next message.
func TestCutCommands(t *testing.T) {
	for _, c := range []struct{ before, say, next string }{
		{"EHLO x\r\nA", "UTH LOGIN\r\n" + canary2 + "\r\n" + canary + "\r\n", "NOOP plain\r\n"},
		{"A", "UTH PLAIN\r\n" + canary + "\r\n", "plain\r\n"},
		{"*3\r\n$4\r\nA", "UTH\r\n$1\r\nu\r\n$16\r\n" + canary + "\r\n", "*1\r\n$5\r\nplain\r\n"},
		{"a1 ", "AUTHENTICATE PLAIN\r\n" + canary + "\r\n", "a2 NOOP plain\r\n"},
		{"a1 L", "OGIN {1}\r\nu {16}\r\n" + canary + "\r\n", "a2 NOOP plain\r\n"},
		{"PA", "SS " + canary + "\r\n", "plain\r\n"},
	} {
		for from := 0; from < len(c.say); from++ {
			for to := from + 1; to < len(c.say); to++ {
				f := newFeed(t, Config{}).both().send(rx, c.before+c.say[:from]).lose(rx).send(rx, c.say[to:]+"x\r\nx\r\nx\r\nx\r\n").send(rx, c.next)
				out := f.close()
				if l := leaks(inJSON(t, out)); l != "" || !strings.Contains(string(out.text), "plain") {
					t.Fatalf("%q, lost to %q: %q", c.before+c.say[:from], c.say[to:], out.text)
				}
			}
		}
	}
}
