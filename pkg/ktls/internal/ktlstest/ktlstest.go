// Package ktlstest is what the tests of packages ktls and raw share: what a test needs of the kernel, and connections.
package ktlstest

import (
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Patience is how long a test waits for something before it counts as hung: longer than a loaded emulator stalls.
const Patience = 5 * time.Minute

// InGuest reports whether a test runs on a stock kernel in a virtual machine, where nothing may be skipped.
func InGuest() bool { return os.Getenv("KTLSTOP_GUEST") == "1" }

var loadModule = sync.OnceFunc(func() {
	// An error shows in available: the module may be built in, or modprobe missing.
	_ = exec.Command("modprobe", "tls").Run()
})

// NeedKernel skips a test where the kernel has no TLS, except in a guest, where that is a failure.
func NeedKernel(t testing.TB, available func() error) {
	t.Helper()
	if InGuest() {
		loadModule()
	}
	err := available()
	if err != nil && InGuest() {
		t.Fatalf("no kernel TLS in the guest: %v", err)
	}
	if err != nil {
		t.Skipf("needs kernel TLS (%v): run make vmtest in the repository", err)
	}
}

// NeedFamily skips a test where the kernel has no AF_KTLS. In a guest it loads the module.
func NeedFamily(t testing.TB, available func() error) {
	t.Helper()
	if InGuest() {
		loadFamily(t)
	}
	if err := available(); err != nil {
		t.Skipf("needs AF_KTLS (%v): run make vmtest in the repository", err)
	}
}

// TCPPair returns both ends of a connection over loopback, which are closed when the test ends.
func TCPPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	for _, conn := range []net.Conn{client, server} {
		_ = conn.SetDeadline(time.Now().Add(Patience)) // a test that hangs says where
	}
	return client, server
}
