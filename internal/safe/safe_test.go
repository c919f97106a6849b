package safe

import (
	"testing"
	"unicode/utf8"
)

func TestString(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "nginx: worker", "nginx: worker"},
		{"empty", "", ""},
		{"escape", "a\x1b[31mb", "a\uFFFD[31mb"},
		{"newline", "a\nb\tc\r", "a\uFFFDb\uFFFDc\uFFFD"},
		{"delete", "a\x7f", "a\uFFFD"},
		{"c1 csi", "\u009b31m", "\uFFFD31m"},
		{"raw c1 byte", "\x9b31m", "\uFFFD31m"},
		{"invalid", "a\xff\xfeb", "a\uFFFD\uFFFDb"},
		{"real replacement", "a\uFFFDb", "a\uFFFDb"},
		{"bidi override", "abc\u202etxt", "abc\uFFFDtxt"},
		{"bidi isolate", "\u2066x\u2069", "\uFFFDx\uFFFD"},
		{"zero width", "a\u200bb\ufeff", "a\uFFFDb\uFFFD"},
		{"joiner", "👩\u200d💻", "👩\uFFFD💻"},
		{"combining", "e\u0301", "e\uFFFD"},
		{"line separator", "a\u2028b", "a\uFFFDb"},
		{"hangul filler", "\u3164", "\uFFFD"},
		{"flag", "🇩🇪", "\uFFFD\uFFFD"},
		{"wide", "日本語é", "日本語é"},
	} {
		if got := String(c.in); got != c.want {
			t.Errorf("%s: String(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
		if got := string(Append(nil, []byte(c.in))); got != c.want {
			t.Errorf("%s: Append(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestStringDoesNotAllocateForCleanText(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { String("日本 nginx") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"nginx", "\x1b]0;title\a", "\xc2\x9b", "\u202eabc", "e\u0301", "日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := String(in)
		if !utf8.ValidString(out) {
			t.Fatalf("%q is not UTF-8", out)
		}
		for _, r := range out {
			if !Printable(r) {
				t.Fatalf("%q holds %U", out, r)
			}
		}
		if String(out) != out {
			t.Fatalf("%q changes again", out)
		}
		if got := string(Append(nil, in)); got != out {
			t.Fatalf("Append gives %q, String %q", got, out)
		}
	})
}

func TestAppendHexRow(t *testing.T) {
	for _, c := range []struct {
		off  int
		in   string
		want string
	}{
		{0, "GET / HTTP/1.1\r\n", "0000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  GET / HTTP/1.1.."},
		{0x3ff0, "\x1b[2J\x80", "3ff0  1b 5b 32 4a 80                                    .[2J."},
	} {
		if got := string(AppendHexRow(nil, c.off, []byte(c.in))); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
	if n := len(AppendHexRow(nil, 0, make([]byte, 100))); n != 72 {
		t.Errorf("row of %d columns, want 72", n)
	}
}
