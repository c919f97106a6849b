package wire

import (
	"testing"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

func TestKernelUser(t *testing.T) {
	for symbol, want := range map[string]string{
		"nvme_tcp_data_ready [nvme_tcp]":   "nvme_tcp",
		"nvmet_tcp_data_ready [nvmet_tcp]": "nvmet_tcp",
		"nvme_tcp_data_ready":              "nvme_tcp", // built in
		"xs_data_ready [sunrpc]":           "nfs",
		"svc_data_ready [sunrpc]":          "nfsd",
		"psock_data_ready [kcm]":           "kcm",
		"somebody_data_ready [other]":      "other",
		"tls_data_ready [tls]":             "",
		"tls_data_ready":                   "",
		"sock_def_readable":                "",
		"sk_psock_verdict_data_ready":      "",
		"0xffffffffc0a81234":               "", // its module has gone
		"":                                 "",
	} {
		if got := KernelUser(symbol); got != want {
			t.Errorf("%q: %q, want %q", symbol, got, want)
		}
	}
}

// TestIsKernelUser: the server of NFS has threads of its name.
func TestIsKernelUser(t *testing.T) {
	for name, want := range map[string]bool{"nvme_tcp": true, "nfs": true, "nfsd": false, "nginx": false, "": false} {
		if got := IsKernelUser(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestSymbolOf(t *testing.T) {
	var u object.KtlsUser
	for i, c := range "xs_data_ready [sunrpc]" {
		u.Symbol[i] = int8(c)
	}
	if got := SymbolOf(&u); got != "xs_data_ready [sunrpc]" {
		t.Errorf("%q", got)
	}
	for i := range u.Symbol {
		u.Symbol[i] = 'x'
	}
	if got := SymbolOf(&u); len(got) != len(u.Symbol) {
		t.Errorf("%q without an end", got)
	}
}

// TestUserOfTLS: its place lies where DTLS has the size of a datagram.
func TestUserOfTLS(t *testing.T) {
	tls, dtls := Event{Proto: ProtoTLS, DatagramOrUser: 7}, Event{Proto: ProtoDTLS, DatagramOrUser: 7}
	if tls.User() != 7 || tls.datagram() != 0 || dtls.User() != 0 || dtls.datagram() != 7 {
		t.Errorf("TLS: user %d, datagram %d; DTLS: user %d, datagram %d", tls.User(), tls.datagram(), dtls.User(), dtls.datagram())
	}
}
