package e2e

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// playNoPad: a receiver may promise at any time that no record is padded, and revoke
// it; each record says how it was opened.
func playNoPad(t *testing.T, tr *tracer) func(*testing.T, trace) {
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	for i, on := range []int{0, 1, 0} {
		if i > 0 {
			must(t, unix.SetsockoptInt(p.b, unix.SOL_TLS, 4, on))
		}
		p.send(t, pattern(100, i), 0)
		p.recv(t, 100, 100)
	}
	must(t, unix.SetsockoptInt(p.b, unix.SOL_TLS, 4, 1))
	stdout, stderr, status := ktlstop(t, "list", "-o", "json")
	if found := noPads(t, stdout, "socket", p.rport, p.lport); status != 0 || !reflect.DeepEqual(found, []bool{true}) {
		t.Errorf("list finds %v, want true; %s", found, stderr)
	}
	p.close()
	return func(t *testing.T, _ trace) {
		raw, err := os.ReadFile(tr.file)
		must(t, err)
		if got := noPads(t, string(raw), "record", p.rport, p.lport); !reflect.DeepEqual(got, []bool{false, true, false}) {
			t.Errorf("records of the receiver: no_pad %v", got)
		}
		if got := noPads(t, string(raw), "record", p.lport, p.rport); !reflect.DeepEqual(got, []bool{false, false, false}) {
			t.Errorf("records of the sender: no_pad %v", got)
		}
	}
}

// noPads returns the field of the lines of a type for the socket with these ports.
func noPads(t *testing.T, text, kind string, lport, rport int) (out []bool) {
	t.Helper()
	type tls struct {
		NoPad bool `json:"no_pad"`
	}
	for l := range strings.Lines(text) {
		var v struct {
			Type string
			Sock struct{ LPort, RPort int }
			TLS  tls
			RX   tls
		}
		must(t, json.Unmarshal([]byte(l), &v))
		if v.Type == kind && v.Sock.LPort == lport && v.Sock.RPort == rport {
			out = append(out, v.TLS.NoPad || v.RX.NoPad)
		}
	}
	return out
}
