package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// script reads choices from the bytes of a fuzz target.
type script struct{ b []byte }

// pick returns a number below n, 0 when the bytes have run out.
func (s *script) pick(n int) int {
	if len(s.b) == 0 {
		return 0
	}
	v := int(s.b[0]) % n
	s.b = s.b[1:]
	return v
}

// of returns one of all.
func (s *script) of(all ...string) string { return all[s.pick(len(all))] }

// FuzzMask makes conversations with secrets in every place that is masked, in valid and
// invalid heads, and splits them into records, some of which are cut or missing. No
// secret may be in any output, notes and JSON included.
func FuzzMask(f *testing.F) {
	for i := range byte(40) {
		f.Add(bytes.Repeat([]byte{i, 3 * i, 7 * i, i / 2, 11}, 12))
	}
	// A gap right before the name of a member with a secret.
	f.Add([]byte("100002700001202000700007000071X0\x0f00\v07000000000000000000"))
	// A gap in the preface of HTTP/2, and records of one byte.
	f.Add([]byte("0002000000701000\r00\r7"))
	// HTTP/2 in answer to SMTP, in records of one byte.
	f.Add([]byte("110800001 000070120000007"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		s := &script{choices}
		fd := newFeed(t, Config{})
		fd.version = 0x0304
		if s.pick(4) > 0 {
			fd.both()
		}
		for range 1 + s.pick(3) {
			s.deliver(fd, event.Dir(s.pick(2)), s.speech())
		}
		out := fd.close()
		if l := leaks(inJSON(t, out)); l != "" {
			t.Errorf("%q", l)
		}
	})
}

// speech is the text of one side.
func (s *script) speech() string {
	switch s.pick(5) {
	case 0:
		return s.h2()
	case 1:
		return s.talk()
	}
	return s.h1()
}

// h1 is one or more messages of HTTP/1.
func (s *script) h1() string {
	var b strings.Builder
	for range 1 + s.pick(2) {
		b.WriteString(s.of("GET /", "POST "+s.url(), "GET "+s.url()))
		b.WriteString(s.of(" HTTP/1.1", " HTTP/1.1", " HTTP/1.0", " HTTP/1.x", "") + s.of("\r\n", "\n"))
		for range s.pick(4) {
			b.WriteString(s.field())
		}
		body := s.of("", "a="+s.url()+"\n", "password="+canary+"&b=1", `{"a":"b","access_token":"`+canary+`","c":1}`)
		said := len(body)
		if strings.HasPrefix(body, "password") { // a URL that a body ends in is whole
			said = s.pick(said + 1)
		}
		b.WriteString(s.of("Host: h\r\n", fmt.Sprintf("Content-Length: %d\r\n", len(body)), fmt.Sprintf("Content-Length: %d\r\n", said), "Transfer-Encoding: chunked\r\n") + "\r\n" + body)
	}
	return b.String()
}

// field is a header field with a secret, well-formed or not.
func (s *script) field() string {
	name := s.of(credentialFields...)
	return s.of("", "", " ", "\t") + name + s.of(": ", ":", " : ", "\t:", " ", "=", "\r\n ", ":\r\n ") +
		s.of(canary, "Bearer "+canary, "a\r\n "+canary, canary+"\n\t"+canary) + s.of("\r\n", "\n")
}

// url is a URL with a secret.
func (s *script) url() string {
	return s.of("/", "https://h/", "https://u:"+canary+"@h/", "://"+canary+"@h:1/", "https://u:1@"+canary+"@h/") +
		s.of("?a=1&token=", "?X-Amz-Signature=", "?x[password]=", ";sig=") + canary + s.of("", "&x=y", "#f")
}

// h2 is one side of HTTP/2, from its beginning or not.
func (s *script) h2() string {
	p := newClient()
	if s.pick(2) > 0 {
		p.take()
	}
	for i := range uint32(1 + s.pick(3)) {
		p.block.Reset()
		for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":path", Value: s.url()},
			{Name: strings.ToLower(s.of(credentialFields...)), Value: canary}, {Name: "x-own", Value: canary, Sensitive: true}} {
			_ = p.enc.WriteField(f)
		}
		if s.pick(8) == 7 {
			p.illegal(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, 2*i+1, append([]byte{200}, literal("cookie", canary)...))
		}
		p.headersOf(2*i+1, s.pick(2) > 0)
		if s.pick(2) > 0 {
			p.data(2*i+1, true, "1 "+s.url()+"\n")
		}
	}
	return p.take()
}

// talk is text of other protocols.
func (s *script) talk() string {
	return s.of("EHLO h\r\n", "USER u\r\n", "see "+s.url()+"\n") +
		s.of("PASS "+canary, "AUTH PLAIN "+canary, "AUTH LOGIN dXNlcg==\r\n"+canary, "auth login\r\n"+canary+"\r\n"+canary, "a1 LOGIN u "+canary,
			"a LOGIN {1}\r\nu {16}\r\n"+canary, "*2\r\n$4\r\nAUTH\r\n$16\r\n"+canary) + "\r\nQUIT\r\n"
}

// deliver sends the conversation in records; some are cut, some are lost. After a gap
// only secrets within one line are known: of a value of several lines, folded or the
// arguments of a command, the rest may be shown.
func (s *script) deliver(f *feed, d event.Dir, say string) {
	for len(say) > 0 {
		n := min(1+s.pick(256), len(say))
		switch whole := oneLine(say); {
		case whole && s.pick(8) == 7:
			f.lose(d)
		case whole && s.pick(8) == 7:
			f.sendCut(d, say[:n], s.pick(n+1))
		default:
			f.send(d, say[:n])
		}
		say = say[n:]
	}
}

// oneLine reports whether the next part has no secret of several lines.
func oneLine(say string) bool {
	return !strings.Contains(say, "\n"+canary) && !strings.Contains(say, "\n "+canary) && !strings.Contains(say, "\n\t"+canary)
}

// inJSON is the whole output, in all forms.
func inJSON(t *testing.T, o *shown) []byte {
	t.Helper()
	all := everything(o)
	for _, ev := range []any{o.http, o.said, o.notes} {
		b, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}
