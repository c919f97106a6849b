package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
)

// TestOpenSSL traces s_client and s_server of the host's OpenSSL and of a newer one, without any
// change for this project. OpenSSL 3.0 receives by kernel TLS with TLS 1.2 only.
func TestOpenSSL(t *testing.T) {
	versions := []struct {
		name, flag string
		command    []string
		receives   bool
	}{
		{"3.0/1.2", "-tls1_2", hostOpenSSL(t), true},
		{"3.0/1.3", "-tls1_3", hostOpenSSL(t), false},
		{"3.5/1.2", "-tls1_2", newerOpenSSL(t), true},
		{"3.5/1.3", "-tls1_3", newerOpenSSL(t), true},
	}
	tr := startTracer(t, "-s", "16384", "--comm", commOf(versions[0].command[0]), "--comm", commOf(versions[2].command[0]))
	talks := make([]talk, len(versions))
	for i, v := range versions {
		talks[i] = talkOpenSSL(t, v.command, v.flag)
	}
	got := tr.stop()
	got.noLosses(t)
	unseenKeys := got.summary(t).skips("set_sw_offload")
	for i, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c := talks[i]
			checkStream(t, got, c.port, c.toServer, v.receives)
			checkStreamBack(t, got, c.port, c.toClient, v.receives)
			opened := len(got.filter(func(l *line) bool {
				return l.Type == "socket" && l.State == "open" && (l.Sock.LPort == c.port || l.Sock.RPort == c.port)
			}))
			// On a kernel that preempts itself the hook of a key may be skipped, which the kernel counts.
			if unseen := c.directions - opened; unseen < 0 || unseen > unseenKeys || opened == 0 {
				t.Errorf("the kernel counted %d directions, ktlstop saw %d open, and %d keys can have been skipped", c.directions, opened, unseenKeys)
			}
		})
	}
}

// talk is the data exchanged by a client and a server.
type talk struct {
	port               int
	toServer, toClient []byte
	directions         int // that the kernel says it took over
}

func talkOpenSSL(t *testing.T, command []string, version string) talk {
	t.Helper()
	before := tlsStat(t)
	s := newOpenSSL(t, command, version)
	c := talk{port: s.port, toServer: s.feed(t, s.client, s.serverOut), toClient: s.feed(t, s.server, s.clientOut)}
	s.end(t)
	after := tlsStat(t)
	c.directions = after["TlsTxSw"] + after["TlsRxSw"] - before["TlsTxSw"] - before["TlsRxSw"]
	return c
}

// openssl is an s_client that talks to an s_server.
type openssl struct {
	port                 int
	client, server       io.WriteCloser
	clientOut, serverOut io.Reader
	clientCmd, serverCmd *exec.Cmd
}

func newOpenSSL(t *testing.T, command []string, version string) *openssl {
	t.Helper()
	conf := opensslConf(t)
	cert, key := certificateFiles(t, t.TempDir())
	s := &openssl{port: freePort(t)}
	p := strconv.Itoa(s.port)
	run := func(args ...string) (*exec.Cmd, io.WriteCloser, io.Reader) {
		cmd := exec.Command(command[0], append(slices.Clone(command[1:]), args...)...)
		cmd.Env = append(os.Environ(), conf)
		in, err := cmd.StdinPipe()
		must(t, err)
		outR, outW, err := os.Pipe()
		must(t, err)
		cmd.Stdout = outW
		start(t, cmd)
		outW.Close()
		t.Cleanup(func() { outR.Close() })
		return cmd, in, outR
	}
	s.serverCmd, s.server, s.serverOut = run("s_server", "-accept", p, "-cert", cert, "-key", key, "-quiet", "-naccept", "1", version)
	listening(t, s.port)
	s.clientCmd, s.client, s.clientOut = run("s_client", "-connect", "127.0.0.1:"+p, "-quiet", "-no_ign_eof", "-nocommands", version)
	return s
}

// feed writes 23 times 4,099 bytes and then larger pieces, each when the last one has arrived, so
// that every small write is a record of its own.
func (s *openssl) feed(t *testing.T, in io.Writer, out io.Reader) (all []byte) {
	t.Helper()
	for i := range 23 {
		all = append(all, s.pass(t, in, out, pattern(4099, i))...)
	}
	for i, n := range []int{1, 16384, 16385, 100000} {
		all = append(all, s.pass(t, in, out, pattern(n, 50+i))...)
	}
	return all
}

func (s *openssl) pass(t *testing.T, in io.Writer, out io.Reader, b []byte) []byte {
	t.Helper()
	errs := make(chan error, 1)
	go func() { _, err := in.Write(b); errs <- err }()
	got := make([]byte, len(b))
	_, err := io.ReadFull(out, got)
	must(t, err)
	must(t, <-errs)
	if !bytes.Equal(got, b) {
		t.Fatal("OpenSSL passed on other bytes")
	}
	return b
}

func (s *openssl) end(t *testing.T) {
	t.Helper()
	must(t, s.client.Close())
	waitFor(t, s.clientCmd)
	s.server.Close() // it may have gone with its client
	waitFor(t, s.serverCmd)
}

func checkStream(t *testing.T, got trace, server int, want []byte, receives bool) {
	t.Helper()
	checkBytes(t, "client tx", got.filter(func(l *line) bool { return l.Type == "record" && l.Dir == "tx" && l.Sock.RPort == server }), want)
	if receives {
		checkBytes(t, "server rx", got.filter(func(l *line) bool { return l.Type == "record" && l.Dir == "rx" && l.Sock.LPort == server }), want)
	}
}

func checkStreamBack(t *testing.T, got trace, server int, want []byte, receives bool) {
	t.Helper()
	checkBytes(t, "server tx", got.filter(func(l *line) bool { return l.Type == "record" && l.Dir == "tx" && l.Sock.LPort == server }), want)
	rx := got.filter(func(l *line) bool { return l.Type == "record" && l.Dir == "rx" && l.Sock.RPort == server })
	if receives {
		checkBytes(t, "client rx", rx, want)
	} else if len(rx) != 0 {
		t.Errorf("%d records received, but OpenSSL 3.0 does not receive TLS 1.3 by kernel TLS", len(rx))
	}
}

// checkBytes: the first 23 records are the 23 small writes, and all bytes are there.
func checkBytes(t *testing.T, what string, got trace, want []byte) {
	t.Helper()
	data := got.data()
	for i := 0; i < 23 && i < len(data); i++ {
		if data[i].Len != 4099 {
			t.Errorf("%s: record %d has %d bytes, want 4099", what, i, data[i].Len)
		}
	}
	if !bytes.Equal(data.payload(), want) {
		t.Errorf("%s: %d records with %d bytes, want the %d that were sent", what, len(data), len(data.payload()), len(want))
	}
}
