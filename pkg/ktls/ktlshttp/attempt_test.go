package ktlshttp

import (
	"net"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// TestAttempt: only the transport of the protocol that ALPN chose gets the connection, and the end closes one that nobody took.
func TestAttempt(t *testing.T) {
	for _, taken := range []bool{true, false} {
		plain, peer := net.Pipe()
		defer peer.Close()
		c := ktls.Client(plain, nil) // without ALPN, which means HTTP/1.1
		a := &attempt{}
		a.keep(c)
		if got := a.take("h2"); got != nil {
			t.Error("the transport of HTTP/2 took it")
		}
		if taken && a.take("http/1.1") != c {
			t.Error("the transport of HTTP/1.1 did not get it")
		}
		a.end()
		if err := plain.SetDeadline(time.Time{}); (err == nil) != taken { // net.Pipe's error once it is closed
			t.Errorf("taken %v, after the end: %v", taken, err)
		}
	}
}
