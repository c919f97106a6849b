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
	hears := func() string {
		b := make([]byte, 100)
		n, err := systemd.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	var dead atomic.Bool
	asked := make(chan bool, 1000)
	alive := func() error {
		select {
		case asked <- true:
		default:
		}
		if dead.Load() {
			return errors.New("nothing goes on")
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Notify(ctx, alive) }()
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := hears(); got != want {
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
	fed := 0
	for said := hears(); said != "STOPPING=1"; said = hears() {
		fed++
	}
	if fed > 8 { // what it had said before it was dead
		t.Errorf("the watchdog was fed %d times", fed)
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
