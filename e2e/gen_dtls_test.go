package e2e

import (
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/kmodtest"
)

// TestGenDTLS: for each call, each direction and each cipher the ends agree, and with the
// module everything is sealed and opened in the kernel.
func TestGenDTLS(t *testing.T) {
	kmodtest.Load(t, "af_ktls")
	for name, args := range map[string]string{
		"send":     "-n 2 -s 1..20000 --rounds 5",
		"sendfile": "-s 40000 --rounds 3 --op sendfile",
		"splice":   "-s 40000 --rounds 3 --op splice",
		"tx":       "-s 1400 --rounds 20 --dir tx --alert-every 5 --cipher aes-gcm-256",
		"rx":       "-s 1..1400 --rounds 20 --dir rx --cipher chacha20-poly1305",
	} {
		t.Run(name, func(t *testing.T) {
			r := gen(t, append([]string{"--dtls"}, strings.Fields(args)...)...)
			for i := 0; i < len(r.Connections); i += 2 {
				client, server := r.Connections[i], r.Connections[i+1]
				if client.SentBytes != server.Received || server.SentBytes != client.Received || client.SentBytes == 0 {
					t.Errorf("%+v and %+v", client, server)
				}
				for _, end := range []*genEnd{client, server} {
					if end.TX != "sw" || end.RX != "sw" || end.Sent.Types["alert"] == 0 || uint64(len(end.Sent.List)) != end.Sent.Records {
						t.Errorf("%+v", end)
					}
				}
			}
		})
	}
}

// TestGenDTLSWithoutModule: the records stay in user space and gen says why, or it refuses.
func TestGenDTLSWithoutModule(t *testing.T) {
	onOneKernel(t)
	stdout, stderr, status := ktlstop(t, "gen", "--dtls", "--rounds", "2")
	if status != 0 || stderr != "" || !strings.Contains(stdout, "tx none rx none") || strings.Count(stdout, "af_ktls is missing") != 1 {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	stdout, stderr, status = ktlstop(t, "gen", "--dtls", "--require")
	if status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "modprobe af_ktls") {
		t.Errorf("--require: status %d, %q, %q", status, stdout, stderr)
	}
}
