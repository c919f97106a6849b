package ktls

import (
	"errors"
	"net"
	"testing"
)

// multipathListener is one of net.Listen, which is of Multipath TCP where the kernel has that.
func multipathListener(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	if !isMultipath(ln.(*net.TCPListener)) {
		t.Skip("needs a kernel with Multipath TCP")
	}
	return ln
}

// TestMultipathListener: what NewListener makes of such a listener, and that Listen makes none.
func TestMultipathListener(t *testing.T) {
	inner := multipathListener(t)
	if ln, err := NewListener(inner, &Config{TLS: serverConfig(), Policy: Require}); ln != nil || !errors.Is(err, ErrMultipathTCP) {
		t.Errorf("with Require: %v, %v", ln, err)
	}
	ln, err := NewListener(inner, &Config{TLS: serverConfig()})
	if err != nil || !errors.Is(ln.Available(), ErrMultipathTCP) {
		t.Errorf("with Prefer: %v, available: %v", err, ln.Available())
	}
	ln, err = NewListener(inner, &Config{TLS: serverConfig(), Policy: Never})
	if err != nil || !errors.Is(ln.Available(), ErrPolicy) {
		t.Errorf("with Never: %v, available: %v", err, ln.Available())
	}
	plain, err := Listen("tcp", "127.0.0.1:0", &Config{TLS: serverConfig(), Policy: Require})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if got, want := plain.Available(), Available(); (got == nil) != (want == nil) {
		t.Errorf("Listen: available: %v, want %v", got, want)
	}
}

// TestMultipathConn: such a listener's connections of peers that speak Multipath TCP stay in user space and say why.
// Those of others, which is nearly everybody, are plain TCP.
func TestMultipathConn(t *testing.T) {
	needKernel(t)
	for name, multipath := range map[string]bool{"plain": false, "multipath": true} {
		t.Run(name, func(t *testing.T) {
			ln, err := NewListener(multipathListener(t), &Config{TLS: serverConfig()})
			if err != nil {
				t.Fatal(err)
			}
			d := &Dialer{NetDialer: &net.Dialer{}, Config: &Config{TLS: clientConfig()}}
			d.NetDialer.SetMultipathTCP(multipath)
			background(t, func() {
				if c, err := d.DialContext(t.Context(), "tcp", ln.Addr().String()); err == nil {
					mustRead(t, c, "served")
					c.Close()
				}
			})
			s, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			mustWrite(t, s, "served")
			off := s.(*Conn).Offload()
			if errors.Is(off.TX.Reason, ErrMultipathTCP) != multipath || (off.TX.Reason == nil) == multipath {
				t.Errorf("the server's offload is %+v", off)
			}
		})
	}
}
