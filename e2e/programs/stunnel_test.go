package programs

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// stunnel is both ends of a tunnel: data sent into one comes out of the other.
type stunnel struct {
	*world
	in, port int
	sent     int
}

func (s *stunnel) sides() []side {
	return []side{{"stunnel", "server", "stunnel4", s.port}, {"stunnel", "client", "stunnel4", s.port}}
}

const stunnelConf = `
foreground = yes
pid =
[out]
accept = 127.0.0.1:PORT
connect = 127.0.0.1:ECHO
cert = CERT
key = KEY
[in]
client = yes
accept = 127.0.0.1:IN
connect = 127.0.0.1:PORT
`

func (s *stunnel) begin(t *testing.T) {
	s.in, s.port = freePort(t), freePort(t)
	conf := strings.NewReplacer("PORT", strconv.Itoa(s.port), "ECHO", strconv.Itoa(echo(t)), "IN", strconv.Itoa(s.in), "CERT", s.cert, "KEY", s.key).Replace(stunnelConf)
	cmd := s.trixie.command(t, "stunnel4", s.write(t, "stunnel.conf", conf))
	cmd.Env = append(cmd.Env, "OPENSSL_CONF="+s.openssl)
	start(t, cmd, s.port, s.in)
}

// echo is a server that returns what it receives.
func echo(t *testing.T) (port int) {
	t.Helper()
	ln, err := net.Listen("tcp", address(0))
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
			go func() {
				defer c.Close()
				io.Copy(c, c) // its error shows at the other end
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func (s *stunnel) talk(t *testing.T) {
	for _, n := range []int{1, 4099, 70001} {
		c, err := net.Dial("tcp", address(s.in))
		must(t, err)
		want := pattern(n)
		go c.Write(want) // the error shows in the received data
		got := make([]byte, n)
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back changed: %v", n, err)
		}
		s.sent += 2 * n
		c.Close()
	}
}

func (s *stunnel) check(t *testing.T, got *trace) string {
	conns, n := got.bothEnds(t, s.port)
	if conns != 3 || n != s.sent {
		t.Errorf("%d connections with %d bytes, want 3 with %d", conns, n, s.sent)
	}
	return fmt.Sprintf("%d bytes there and back between both ends of %d connections, and with what went in", n, conns)
}
