package doctor

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/sink/schematest"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// hostile are facts in which others chose every text.
func hostile() *Facts {
	f := handshake(with(OpenSSL, "3.0.19\x1b[31m\t"), 0x0304, 0x1303, given(), asked(event.OptionTX, unix.ENOENT, func(a *Request) { a.Cipher = 54 }))
	f.Processes[0].Comm, f.Processes[0].Libraries[0].File = "e\x1b]0;x\a\tv\til\n", "/tmp/\u202egnp"
	f.Processes[0].OpenSSL.File = "/a\x00b\xff\t\t"
	f.Hellos[0].Name = "a\x1b[2Jb\xff.test"
	f.NotSeen = []string{}
	return f
}

// Text is escaped, no wider than the terminal except for addresses, and the same except
// for line breaks at any width.
func TestText(t *testing.T) {
	for _, width := range []int{0, 40, 80, 120, 300} {
		var b strings.Builder
		if err := Examine(hostile()).WriteText(&b, width); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if strings.ContainsAny(text, "\x1b\a\t\x00\u202e") || !strings.Contains(text, "127.0.0.1:443 > 127.0.0.1:5050") {
			t.Errorf("width %d: %q", width, text)
		}
		for _, want := range []string{"error KT020 e", "do: modprobe chacha20poly1305", "1 error", "ENOENT"} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
				t.Errorf("width %d lacks %q:\n%s", width, want, text)
			}
		}
		for l := range strings.Lines(text) {
			if n := runewidth.StringWidth(strings.TrimSuffix(l, "\n")); width >= 80 && n > width {
				t.Errorf("width %d: a line of %d: %s", width, n, l)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	for name, f := range map[string]*Facts{"hostile": hostile(), "half": handshake(with(OpenSSL, "3.0.19").opt(Yes), 0x0304, gcm, given(), asked(event.OptionTX, 0)),
		"short": handshake(with(OpenSSL, "3.0.19"), 0x0303, 0xc02f, fragmentOf(2), func(f *Facts) { f.Hellos[1].RecordLimit = 512 }), "nginx": of(with(OpenSSL, "3.0.19").serves(nginxOn)), "HAProxy": of(with(OpenSSL, "3.0.19").serves(haproxyOn))} {
		f.NotSeen = []string{}
		f.Host = Host{Ciphers: []Cipher{{"AES-GCM", "gcm", Present}}, NICs: []NIC{{Name: "eth0"}}, Namespaces: []Namespace{{1, map[string]uint64{"TlsTxSw": 1}}}, Mounts: []string{}}
		b, err := json.Marshal(Examine(f))
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(string(b), "\u202e\u009b\x1b") {
			t.Errorf("%s: %q", name, b)
		}
		if err := schematest.CheckDoctor(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A healthy host is reported as such, and notes do not change that.
func TestWell(t *testing.T) {
	f := handshake(with(OpenSSL, "3.5.1").opt(Yes), 0x0304, gcm, given(), asked(event.OptionTX, 0), asked(event.OptionRX, 0))
	f.Host = host(func(h *Host) { h.FIPS = true }).Host
	var b strings.Builder
	r := Examine(f)
	if err := r.WriteText(&b, 0); err != nil || !r.Well() || !strings.HasSuffix(b.String(), "1 note; watched for 60.0s: 1 connection (docs/doctor.md explains each)\n") {
		t.Errorf("%v: %s", err, b.String())
	}
}

// The last line counts findings, and says so where there are none.
func TestVerdict(t *testing.T) {
	for want, f := range map[string]*Facts{
		"no findings\n":                              of(with(OpenSSL, "3.5.1").opt(Yes)),
		"no findings in what could be read\n":        of(with(OpenSSL, "3.5.1").opt(Yes), func(f *Facts) { f.NotSeen = []string{"x"} }),
		"1 warning (docs/doctor.md explains each)\n": of(with(OpenSSL, "3.0.19").named()),
	} {
		var b strings.Builder
		if err := Examine(f).WriteText(&b, 0); err != nil || !strings.HasSuffix(b.String(), "\n"+want) {
			t.Errorf("%v: %q, want %q at its end", err, b.String(), want)
		}
	}
}

// A long watch keeps as much as it has room for, and reports how much it dropped.
func TestLogIsBounded(t *testing.T) {
	var l Log
	for range maxObservations + 3 {
		l.Add(&event.Observation{Option: event.OptionULP}, time.Second, 0)
	}
	l.Add(&event.Observation{Hello: []byte("no hello")}, time.Second, 0)
	if len(l.Requests) != maxObservations || len(l.Hellos) != 0 || l.Dropped != 4 {
		t.Errorf("%d, %d, dropped %d", len(l.Requests), len(l.Hellos), l.Dropped)
	}
}
