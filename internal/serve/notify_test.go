package serve

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
)

// TestNotify: systemd hears that the run is ready, that it is alive for as long as it is,
// and that it stops.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "2000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	heard := make(chan string, 100_000)
	go func() { // whoever speaks does not wait for the test
		defer close(heard)
		b := make([]byte, 100)
		for n, err := systemd.Read(b); err == nil; n, err = systemd.Read(b) {
			heard <- string(b[:n])
		}
	}()
	var dead atomic.Bool
	well := 0                // how often it was alive; read when it has ended
	asked := make(chan bool) // of one that waits for it
	alive := func() error {
		if dead.Load() {
			select {
			case asked <- true:
			default:
			}
			return errors.New("nothing goes on")
		}
		well++
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Notify(ctx, alive) }()
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := <-heard; got != want {
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
	dead.Store(true)
	for range 10 { // asked again and again, and not fed
		<-asked
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	fed := 2
	for said := range heard {
		if said == "STOPPING=1" {
			break
		}
		fed++
	}
	if fed != well {
		t.Errorf("alive %d times, and the watchdog was fed %d times", well, fed)
	}
}

// TestNobodyListens: without systemd it waits for the end.
func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Notify(ctx, func() error { return nil }); err != nil {
		t.Error(err)
	}
}
