package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

const maxRecord = 16384

// playLibrary sends records of known bytes both ways through pkg/ktls
// and compares whole events.
func playLibrary(t *testing.T) func(*testing.T, trace) {
	var sent []*conversation
	for _, v := range []struct {
		version, suite uint16
		cipher         string
	}{
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "AES-GCM-128"},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "AES-GCM-256"},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "CHACHA20-POLY1305"},
		{tls.VersionTLS13, 0, "AES-GCM-128"},
	} {
		c := newConversation(t, v.version, v.suite, v.cipher)
		c.play(t)
		sent = append(sent, c)
	}
	return func(t *testing.T, got trace) {
		for _, c := range sent {
			t.Run(fmt.Sprintf("%s %s", c.want.Version, c.want.Cipher), func(t *testing.T) { c.compare(t, got) })
		}
	}
}

// conversation is a connection between two ends in this process.
type conversation struct {
	client, server *ktls.Conn
	want           security
	written        [2][]write // by client, by server
}

type write struct {
	b  []byte
	op string
}

func newConversation(t *testing.T, version, suite uint16, cipher string) *conversation {
	t.Helper()
	c := &conversation{want: security{Version: map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}[version], Cipher: cipher, Mode: "sw"}}
	config := &ktls.Config{Policy: ktls.Require, TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: version, MaxVersion: version, InsecureSkipVerify: true}}
	if suite != 0 {
		config.TLS.CipherSuites = []uint16{suite}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	accepted := make(chan *ktls.Conn, 1)
	go func() {
		raw, err := ln.Accept()
		if err != nil {
			close(accepted)
			return
		}
		s := ktls.Server(raw, config)
		if s.Handshake() != nil {
			close(accepted)
			return
		}
		accepted <- s
	}()
	c.client, err = ktls.Dial("tcp", ln.Addr().String(), config)
	must(t, err)
	c.server = <-accepted
	if c.server == nil {
		t.Fatal("the server's handshake failed")
	}
	return c
}

// play sends 23 records of 4,099 bytes in each direction and then unusual sizes, by
// write and by sendfile.
func (c *conversation) play(t *testing.T) {
	t.Helper()
	for i := range 23 {
		c.exchange(t, pattern(4099, i), "send")
	}
	for i, n := range []int{1, 16384, 16385, 100000} {
		c.exchange(t, pattern(n, 100+i), "send")
		c.exchange(t, pattern(n, 200+i), "sendfile")
	}
	must(t, c.client.Close())
	if _, err := c.server.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("read after close: %v", err)
	}
	must(t, c.server.Close())
}

func (c *conversation) exchange(t *testing.T, b []byte, op string) {
	t.Helper()
	for i, ends := range [][2]*ktls.Conn{{c.client, c.server}, {c.server, c.client}} {
		c.written[i] = append(c.written[i], write{b, op})
		errs := make(chan error, 1)
		go func() { errs <- send(t, ends[0], b, op) }()
		got := make([]byte, len(b))
		_, err := io.ReadFull(ends[1], got)
		must(t, err)
		must(t, <-errs)
		if !bytes.Equal(got, b) {
			t.Fatal("the peer got other bytes")
		}
	}
}

func send(t *testing.T, c *ktls.Conn, b []byte, op string) error {
	if op == "send" {
		_, err := c.Write(b)
		return err
	}
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = c.ReadFrom(f)
	return err
}

func (c *conversation) compare(t *testing.T, got trace) {
	cport, sport := port(c.client.LocalAddr()), port(c.client.RemoteAddr())
	for i, end := range []struct{ lport, rport int }{{cport, sport}, {sport, cport}} {
		compareRecords(t, got.stream(end.lport, end.rport, "tx"), c.expect(c.written[i], "tx"))
		rx := c.expect(c.written[1-i], "rx")
		if i == 0 {
			rx = rx[:len(rx)-1]
		}
		compareRecords(t, got.stream(end.lport, end.rport, "rx"), rx)
	}
}

// expect splits writes into records. Closing sends an alert, which the client, which
// closes first, does not read.
func (c *conversation) expect(writes []write, dir string) (want []record) {
	for _, w := range writes {
		op := w.op
		if dir == "rx" {
			op = "recv"
		}
		for b := w.b; len(b) > 0; b = b[min(len(b), maxRecord):] {
			part := b[:min(len(b), maxRecord)]
			want = append(want, record{Dir: dir, Content: "application_data", Len: len(part), Op: op,
				TLS: c.want, Payload: payload{len(part), part}})
		}
	}
	op := map[string]string{"tx": "send", "rx": "recv"}[dir]
	return append(want, record{Dir: dir, Content: "alert", Len: 2, Op: op, TLS: c.want,
		Payload: payload{2, []byte{1, 0}}, Alert: alert{"warning", "close_notify"}})
}

// compareRecords numbers the expected records from the first sequence number seen, and
// compares everything.
func compareRecords(t *testing.T, got trace, want []record) {
	t.Helper()
	var have []record
	for i, l := range got {
		r := l.record
		r.Handshake = handshake{MsgType: r.Handshake.MsgType} // the first, see TestMessages
		have = append(have, r)
		if i < len(want) {
			want[i].Seq = got[0].Seq + uint64(i)
		}
		if l.PID != os.Getpid() {
			t.Errorf("record of pid %d, want %d", l.PID, os.Getpid())
		}
	}
	if !reflect.DeepEqual(want, have) {
		t.Errorf("records differ (-want +got):\n%.3000s", cmp.Diff(brief(want), brief(have)))
	}
}

// brief replaces a payload by its digest: a diff of bytes helps nobody, and takes a
// minute in an emulated guest.
func brief(all []record) (out []record) {
	for _, r := range all {
		sum := sha256.Sum256(r.Payload.Data)
		r.Payload.Data = sum[:4]
		out = append(out, r)
	}
	return out
}

func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed)
	}
	return b
}

func port(a net.Addr) int { return a.(*net.TCPAddr).Port }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
