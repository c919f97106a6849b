package hello

import (
	"bytes"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// message makes a record with one message.
func message(kind uint8, body func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	b.AddUint8(recordHandshake)
	b.AddUint16(0x0301)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(kind)
		b.AddUint24LengthPrefixed(body)
	})
	return b.BytesOrPanic()
}

func server(version, suite uint16, compression uint8, extensions func(*cryptobyte.Builder)) []byte {
	return message(serverHello, func(b *cryptobyte.Builder) {
		b.AddUint16(version)
		b.AddBytes(make([]byte, 32))
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(make([]byte, 32)) })
		b.AddUint16(suite)
		b.AddUint8(compression)
		if extensions != nil {
			b.AddUint16LengthPrefixed(extensions)
		}
	})
}

func extension(kind uint16, body ...byte) func(*cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) {
		b.AddUint16(kind)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(body) })
	}
}

func TestServer(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want Hello
	}{
		{"TLS 1.3", server(0x0303, 0x1302, 0, extension(extVersions, 3, 4)), Hello{Server: true, Version: 0x0304, Suite: 0x1302}},
		{"TLS 1.3, cut", server(0x0303, 0x1302, 0, extension(extVersions, 3, 4))[:80], Hello{Server: true, Version: 0x0304, Suite: 0x1302, Cut: true}},
		{"TLS 1.2 without extensions", server(0x0303, 0xc02f, 0, nil), Hello{Server: true, Version: 0x0303, Suite: 0xc02f}},
		{"TLS 1.1", server(0x0302, 0xc013, 0, nil), Hello{Server: true, Version: 0x0302, Suite: 0xc013}},
		{"compressed", server(0x0303, 0xc02f, 1, nil), Hello{Server: true, Version: 0x0303, Suite: 0xc02f, Compressed: true}},
		{"short records", server(0x0303, 0xc02f, 0, extension(extMaxFragment, 2)), Hello{Server: true, Version: 0x0303, Suite: 0xc02f, MaxFragment: 2}},
		{"a limit", server(0x0303, 0xc02f, 0, extension(extRecordLimit, 4, 0)), Hello{Server: true, Version: 0x0303, Suite: 0xc02f, RecordLimit: 1024}},
	} {
		got, err := Parse(c.in)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
}

// first is the first message that crypto/tls sends.
func first(t *testing.T, cfg *tls.Config) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go func() { _ = tls.Client(a, cfg).Handshake(); a.Close() }()
	buf := make([]byte, 16<<10)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// A real ClientHello, complete and cut at each byte: the bytes that are there are read, or
// it is not a hello.
func TestClient(t *testing.T) {
	b := first(t, &tls.Config{ServerName: "doctor.test", InsecureSkipVerify: true})
	h, err := Parse(b)
	if err != nil || h.Server || h.Version != 0x0304 || h.Name != "doctor.test" || h.Cut {
		t.Errorf("%+v, %v", h, err)
	}
	for i := range b {
		h, err := Parse(b[:i])
		if i < 5+4+2+32+1 && err == nil || err == nil && !h.Cut {
			t.Errorf("of %d bytes %+v, %v", i, h, err)
		}
	}
	old, err := Parse(first(t, &tls.Config{ServerName: "x", MaxVersion: tls.VersionTLS12}))
	if err != nil || old.Version != 0x0303 {
		t.Errorf("%+v, %v", old, err)
	}
}

func TestNone(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing": nil, "HTTP": []byte("GET / HTTP/1.1\r\n\r\n"), "data": {23, 3, 3, 0, 5, 1, 2, 3, 4, 5}, "finished": message(20, func(b *cryptobyte.Builder) { b.AddBytes(make([]byte, 12)) }),
		"no body": message(serverHello, func(*cryptobyte.Builder) {}), "half an extension": server(0x0303, 1, 0, func(b *cryptobyte.Builder) { b.AddUint8(1) }),
	} {
		if h, err := Parse(b); err == nil {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func TestSuites(t *testing.T) {
	if got := Cipher(0x1303); got != "CHACHA20-POLY1305" {
		t.Error(got)
	}
	if Cipher(0xc013) != "" || !strings.Contains(SuiteName(0xc013), "CBC") || SuiteName(0xfefe) != "suite 0xfefe" {
		t.Errorf("%q, %q", Cipher(0xc013), SuiteName(0xfefe))
	}
	// A suite with CBC, RC4 or CAMELLIA in its name has no cipher in the kernel, one with
	// GCM or POLY1305 has one.
	for suite := range 1 << 16 {
		name, cipher := SuiteName(uint16(suite)), Cipher(uint16(suite))
		foreign := strings.Contains(name, "CBC") || strings.Contains(name, "RC4") || strings.Contains(name, "CCM_8")
		own := strings.Contains(name, "AES") && strings.Contains(name, "GCM") || strings.Contains(name, "POLY1305")
		if foreign && cipher != "" || own && cipher == "" {
			t.Errorf("%s: cipher %q", name, cipher)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(server(0x0303, 0x1302, 0, extension(extVersions, 3, 4)))
	f.Add([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Parse(b)
		if err == nil && !bytes.Equal(b[:1], []byte{recordHandshake}) {
			t.Errorf("%+v of %x", h, b)
		}
	})
}
