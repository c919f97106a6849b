package inspect

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// peer writes one direction of HTTP/2.
type peer struct {
	bytes.Buffer
	fr    *http2.Framer
	enc   *hpack.Encoder
	block bytes.Buffer
}

func newPeer() *peer {
	p := &peer{}
	p.fr = http2.NewFramer(&p.Buffer, nil)
	p.enc = hpack.NewEncoder(&p.block)
	return p
}

func newClient() *peer {
	p := newPeer()
	p.WriteString(http2.ClientPreface)
	_ = p.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	return p
}

func newServer() *peer {
	p := newPeer()
	_ = p.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 100})
	_ = p.fr.WriteSettingsAck()
	return p
}

// fields encodes "name value" pairs.
func (p *peer) fields(pairs ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = p.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return bytes.Clone(p.block.Bytes())
}

func (p *peer) headers(id uint32, end bool, pairs ...string) *peer {
	_ = p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.fields(pairs...), EndStream: end, EndHeaders: true})
	return p
}

// headersOf is headers of the fields that were encoded.
func (p *peer) headersOf(id uint32, end bool) {
	_ = p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block.Bytes(), EndStream: end, EndHeaders: true})
}

func (p *peer) get(id uint32, path string, more ...string) *peer {
	return p.headers(id, true, append([]string{":method", "GET", ":scheme", "https", ":authority", "h", ":path", path}, more...)...)
}

func (p *peer) data(id uint32, end bool, text string) *peer {
	_ = p.fr.WriteData(id, end, []byte(text))
	return p
}

// take empties the buffer.
func (p *peer) take() string {
	s := p.String()
	p.Reset()
	return s
}

// lens leaves out values that depend on the coding.
func lens(o *shown) (all []string) {
	for _, h := range o.http {
		if h.Request != nil && h.Request.HeadLen > 0 {
			h.Request.HeadLen = 1
		}
		if h.Response != nil && h.Response.HeadLen > 0 {
			h.Response.HeadLen = 1
		}
		all = append(all, brief(h))
	}
	return all
}

// conversation is three streams: one after the other, interleaved, with padding,
// trailers, interim responses, CONTINUATION and a reset.
func conversation() (say []string) {
	c, s := newClient(), newServer()
	say = append(say, "r"+c.get(1, "/one").take())
	say = append(say, "t"+s.headers(1, false, ":status", "200", "server", "x").data(1, false, "ab").data(1, true, "c").take())
	c.headers(3, false, ":method", "POST", ":scheme", "https", ":authority", "h", ":path", "/two")
	_ = c.fr.WriteDataPadded(3, false, []byte("12345"), make([]byte, 9))
	c.get(5, "/three").get(7, "/four").data(3, true, "")
	say = append(say, "r"+c.take())
	s.headers(3, false, ":status", "103", "link", "x").headers(5, true, ":status", "404")
	block := s.fields(":status", "201", "x-long", strings.Repeat("v", 100))
	_ = s.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block[:5]})
	_ = s.fr.WriteContinuation(3, false, block[5:20])
	_ = s.fr.WriteContinuation(3, true, block[20:])
	s.data(3, false, "done").headers(3, true, "x-sum", "1")
	_ = s.fr.WriteRSTStream(7, http2.ErrCodeRefusedStream)
	_ = s.fr.WritePing(false, [8]byte{})
	_ = s.fr.WriteGoAway(7, http2.ErrCodeNo, []byte("bye"))
	return append(say, "t"+s.take())
}

var conversationWant = []string{"rx 2#1 GET h/one 1+0 > 200 1+3 complete", "rx 2#5 GET h/three 1+0 > 404 1+0 complete",
	"rx 2#3 POST h/two 1+5 > 201 1+4 complete", "rx 2#7 GET h/four 1+0 > reset"}

func TestHTTP2(t *testing.T) {
	for _, size := range []int{1 << 14, 1, 2, 3, 5, 8, 9, 10, 23, 24, 25, 100} {
		f := newFeed(t, Config{}).both()
		converse(f, conversation(), size)
		out := f.close()
		if d := cmp.Diff(conversationWant, lens(out)); d != "" || len(out.notes) > 0 {
			t.Errorf("in records of %d: %s notes %q", size, d, out.notes)
		}
	}
}

// TestHTTP2Client is the same seen from the other end.
func TestHTTP2Client(t *testing.T) {
	f := newFeed(t, Config{}).both()
	for _, one := range conversation() {
		d := map[byte]event.Dir{'r': tx, 't': rx}[one[0]]
		f.send(d, one[1:])
	}
	out := f.close()
	for i, w := range conversationWant {
		if got := lens(out)[i]; got != "t"+w[1:] {
			t.Errorf("got %s, want it like %s", got, w)
		}
	}
}

// TestHTTP2Text: the frames are named, the fields listed, the bodies shown, and the bytes of
// HPACK hidden.
func TestHTTP2Text(t *testing.T) {
	c := newClient()
	c.headers(1, false, ":method", "POST", ":path", "/x", "authorization", "Bearer hush", "x-key", "k-77").data(1, true, "a body\n")
	f := newFeed(t, Config{}, `k-\d+`).both().send(rx, c.take())
	text := string(f.close().text)
	want := "    | HTTP/2 client preface\n    | HTTP/2 SETTINGS, 6 bytes\n    | HTTP/2 HEADERS stream 1, "
	if !strings.HasPrefix(text, want) {
		t.Errorf("got %q", text)
	}
	want = " bytes\n    | :method: POST\n    | :path: /x\n    | authorization: ***********\n    | x-key: ****\n" +
		"    | HTTP/2 DATA stream 1, 7 bytes, END_STREAM\n    a body\n"
	if !strings.HasSuffix(text, want) {
		t.Errorf("got %q", text)
	}
}

// TestHTTP2Masked: of a frame with fields only the payload is masked.
func TestHTTP2Masked(t *testing.T) {
	b := newServer().headers(1, false, ":status", "200").data(1, true, "abc").take()
	want := []byte(b)
	at := bytes.Index(want, []byte{0, 0, 1, 1, 4, 0, 0, 0, 1})
	want[at+9] = '*'
	if got := newFeed(t, Config{}).both().send(tx, b).close().payload[tx]; !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHTTP2OneDirection(t *testing.T) {
	s := newServer().headers(1, false, ":status", "200").data(1, true, "abc")
	f := newFeed(t, Config{}).open(tx).send(tx, s.take())
	out := f.close()
	if d := cmp.Diff([]string{"rx 2#1 > 200 1+3 complete"}, lens(out)); d != "" || len(out.notes) != 1 {
		t.Errorf("%s notes %q", d, out.notes)
	}
}

// TestHTTP2Joined: HPACK's table is not known, so nothing that could be wrong is decoded;
// the frames are shown.
func TestHTTP2Joined(t *testing.T) {
	c := newClient().get(1, "/before", "x-a", "b")
	c.take()
	f := newFeed(t, Config{}) // nobody saw it open
	f.send(rx, c.get(3, "/after", "x-a", "b").take())
	out := f.close()
	if len(out.http) != 0 || len(out.notes) != 1 || !strings.Contains(out.notes[0], "joined in the middle") {
		t.Errorf("%v notes %q", briefs(out), out.notes)
	}
	if !strings.Contains(string(out.text), "HTTP/2 HEADERS stream 3") {
		t.Errorf("text %q", out.text)
	}
}

func TestHTTP2Gaps(t *testing.T) {
	// The payload of DATA is missing: it is still counted.
	c, s := newClient(), newServer()
	f := newFeed(t, Config{}).both()
	f.send(rx, c.get(1, "/").take()).send(tx, s.headers(1, false, ":status", "200").take())
	data := s.data(1, true, strings.Repeat("x", 1000)).take()
	f.sendCut(tx, data, 109).send(rx, c.get(3, "/").take()).send(tx, s.headers(3, true, ":status", "204").take())
	out := f.close()
	want := []string{"rx 2#1 GET h/ 1+0 > 200 1+1000 complete", "rx 2#3 GET h/ 1+0 > 204 1+0 complete"}
	if d := cmp.Diff(want, lens(out)); d != "" || len(out.notes) != 0 {
		t.Errorf("%s notes %q", d, out.notes)
	}
	// A record with a head is lost: from then on statuses are not known.
	c, s = newClient(), newServer()
	f = newFeed(t, Config{}).both()
	f.send(rx, c.get(1, "/").get(3, "/b").take()).send(tx, s.take()).lose(tx)
	s.headers(1, true, ":status", "200").take()
	f.send(tx, s.headers(3, false, ":status", "200").data(3, true, "abc").take())
	out = f.close()
	want = []string{"rx 2#3 GET h/b 1+0 > 0 1+3 gap", "rx 2#1 GET h/ 1+0 > unanswered"}
	if d := cmp.Diff(want, lens(out)); d != "" || len(out.notes) != 2 {
		t.Errorf("%s notes %q", d, out.notes)
	}
}

func TestHTTP2BadBlock(t *testing.T) {
	c := newClient()
	_ = c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0x7f}, EndHeaders: true})
	f := newFeed(t, Config{}).both().send(rx, c.get(3, "/").take())
	if out := f.close(); len(out.notes) != 1 || len(out.records) != 1 {
		t.Errorf("notes %q", out.notes)
	}
}

// literal is a field in HPACK's coding: not indexed, and not in Huffman's code.
func literal(name, value string) []byte {
	return []byte("\x00" + string(rune(len(name))) + name + string(rune(len(value))) + value)
}

// illegal is a frame that no peer may send.
func (p *peer) illegal(t http2.FrameType, flags http2.Flags, id uint32, payload []byte) *peer {
	p.fr.AllowIllegalWrites = true
	_ = p.fr.WriteRawFrame(t, flags, id, payload)
	return p
}

// TestHTTP2Illegal: after frames that break the protocol, bytes that may be HPACK are not
// shown, and fields that need its table are not decoded.
func TestHTTP2Illegal(t *testing.T) {
	secret, harmless := literal("authorization", canary), literal("a", "b")
	padded := append([]byte{200}, secret...)
	prioritized := append([]byte{200, 0, 0, 0, 0, 1}, secret...)
	const begun = http2.Flags(0)
	for name, c := range map[string]*peer{
		"padding":              newClient().illegal(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, 1, padded),
		"padding, priority":    newClient().illegal(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders|http2.FlagHeadersPriority, 1, prioritized),
		"padding of a promise": newClient().illegal(http2.FramePushPromise, http2.FlagPushPromisePadded|http2.FlagPushPromiseEndHeaders, 1, append([]byte{200, 0, 0, 0, 2}, secret...)),
		"DATA within":          newClient().illegal(http2.FrameHeaders, begun, 1, harmless).illegal(http2.FrameData, 0, 1, secret),
		"PING within":          newClient().illegal(http2.FrameHeaders, begun, 1, harmless).illegal(http2.FramePing, 0, 0, []byte(canary[:8])),
		"unknown within":       newClient().illegal(http2.FrameHeaders, begun, 1, harmless).illegal(0x42, 0, 1, secret),
		"HEADERS within":       newClient().illegal(http2.FrameHeaders, begun, 1, harmless).illegal(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 3, secret),
		"of another stream":    newClient().illegal(http2.FrameHeaders, begun, 1, harmless).illegal(http2.FrameContinuation, http2.FlagContinuationEndHeaders, 3, secret),
		"no beginning":         newClient().illegal(http2.FrameContinuation, http2.FlagContinuationEndHeaders, 3, secret),
	} {
		first := c.take()
		for size := 1; size < 80; size += 13 {
			f := newFeed(t, Config{}).both()
			converse(f, []string{"r" + first}, size)
			out := f.send(rx, newClient().get(5, "/").take()[24:]).close()
			if l := leaks(inJSON(t, out)); l != "" || len(out.notes) == 0 {
				t.Errorf("%s in records of %d: %q, notes %q", name, size, l, out.notes)
			}
		}
	}
}

// TestHTTP2OutOfStep: where a gap ends within a frame, no byte that may be HPACK is treated
// as DATA, at any position and with records of any size.
func TestHTTP2OutOfStep(t *testing.T) {
	secret := literal("cookie", canary)
	say := newClient().illegal(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, secret).
		data(1, false, "").data(1, true, "plain\n").illegal(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 3, secret).take()
	for to := 1; to < len(say); to++ {
		for _, size := range []int{1, 2, 7, 999} {
			f := newFeed(t, Config{}).both().send(rx, say[:1]).lose(rx)
			converse(f, []string{"r" + say[to:]}, size)
			if l := leaks(inJSON(t, f.close())); l != "" {
				t.Errorf("lost to %q, in records of %d: %q", say[to:], size, l)
			}
		}
	}
}

// TestHTTP2FalseStream: DATA of an impossible stream shows that the bytes were not frames.
// If the beginning was seen, they may be.
func TestHTTP2FalseStream(t *testing.T) {
	data := newPeer().data(1, false, "and plain\n").take()
	far := newPeer().illegal(http2.FrameData, 0, 1<<30, literal("cookie", canary)).take()
	lost := newFeed(t, Config{}).send(rx, data).send(rx, far).close()
	if l := leaks(inJSON(t, lost)); l != "" || !strings.Contains(string(lost.text), "plain") {
		t.Errorf("%q", lost.text)
	}
	if seen := newFeed(t, Config{}).both().send(rx, newClient().take()+data).send(rx, far).close(); leaks(everything(seen)) == "" {
		t.Errorf("%q", seen.text)
	}
}

// TestHTTP2InDialogue: the answer to another protocol may be HTTP/2 nevertheless. After its
// first frame nothing is treated as text, however small the records are.
func TestHTTP2InDialogue(t *testing.T) {
	say := newClient().illegal(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, literal("cookie", canary)).take()
	for _, size := range []int{1, 2, 7, 999} {
		f := newFeed(t, Config{}).both().send(tx, "EHLO h\r\nNOOP\r\n")
		converse(f, []string{"r" + say}, size)
		if out := f.close(); leaks(inJSON(t, out)) != "" || !bytes.HasPrefix(out.payload[rx], []byte("PRI")) && size < 24 {
			t.Errorf("in records of %d: %q", size, out.payload[rx])
		}
	}
}
