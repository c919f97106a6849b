package inspect

import (
	"strings"
	"testing"
)

// mqtt is a client's first message in an unknown protocol, with a password.
const mqtt = "\x10\x29\x00\x04MQTT\x04\xc2\x00\x3c\x00\x02id\x00\x01u\x00\x10" + canary

// TestBinary: in an unknown protocol that was seen from its beginning, bytes show in hex, and
// texts are masked, in every record.
func TestBinary(t *testing.T) {
	f := newFeed(t, Config{}).both()
	f.version = tls13
	out := f.send(rx, mqtt).send(tx, "\x20\x02\x00\x00").send(rx, "\x82\x06\x00\x01").close()
	for _, want := range []string{"10 29 00 04 2a 2a 2a 2a  04 c2 00 3c 00 02 69 64", "20 02 00 00", "82 06 00 01", "texts among other bytes are masked"} {
		if strings.Count(string(out.text), want) != 1 {
			t.Errorf("no %q in\n%s", want, out.text)
		}
	}
	if l := leaks(inJSON(t, out)); l != "" {
		t.Error(l)
	}
}

// TestBinaryTexts cuts records anywhere, and spells in UTF-16 too.
func TestBinaryTexts(t *testing.T) {
	for _, say := range []string{mqtt, "\x01\x00u\x00" + canary + "\x00\xff", strings.Join(strings.Split("\x05"+canary+"\x01", ""), "\x00")} {
		for size := 1; size < len(say); size++ {
			f := newFeed(t, Config{}).both()
			f.version = tls12
			converse(f, []string{"r" + say}, size)
			got := strings.ReplaceAll(string(f.close().payload[rx]), "\x00", "")
			for i := range len(canary) - minText {
				if part := canary[i:][:minText]; strings.Contains(got, part) {
					t.Fatalf("%q in records of %d: %q", say, size, got)
				}
			}
		}
	}
}

// TestBinaryHidden: bytes that may continue something unseen stay hidden, each record says
// so, and the advice in the note helps.
func TestBinaryHidden(t *testing.T) {
	for _, c := range []struct {
		name  string
		of    func(f *feed) *feed
		early bool // an earlier start would help
	}{
		{"keys that came late", func(f *feed) *feed { f.start, f.seq = 2, [2]uint64{2, 2}; return f.both() }, false},
		{"joined", func(f *feed) *feed { return f }, true},
	} {
		f := newFeed(t, Config{})
		f.version = tls13
		text := string(c.of(f).send(rx, mqtt).send(rx, "\x82\x06\x00\x01").close().text)
		if strings.Contains(text, "10 29") || strings.Contains(text, "start before") != c.early || !strings.Contains(text, "[4 bytes, not shown]") {
			t.Errorf("%s: %s", c.name, text)
		}
	}
}
