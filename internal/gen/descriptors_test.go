package gen

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limitDescriptors limits the open files of this process until the test is over.
func limitDescriptors(t *testing.T, n int) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	})
}

// TestDescriptors: the number that a scenario needs is enough, and with one less it is refused
// before it begins.
func TestDescriptors(t *testing.T) {
	for name, change := range map[string]func(*Scenario){
		"send":     func(*Scenario) {},
		"sendfile": func(s *Scenario) { s.Op = OpSendfile },
		"splice":   func(s *Scenario) { s.Op = OpSplice },
		"corrupt":  func(s *Scenario) { s.Fault = FaultCorrupt },
	} {
		t.Run(name, func(t *testing.T) {
			s := scenario()
			s.Connections = 30
			change(&s)
			limitDescriptors(t, openNow()+s.descriptors())
			run1(t, s)
			s.Connections *= 10 // more than the runtime may have closed of its pipes meanwhile
			r, err := Run(t.Context(), s, nil)
			if r != nil || err == nil || !strings.Contains(err.Error(), "300 connections need") || !strings.Contains(err.Error(), "ulimit -n") {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// leaveOneDescriptor opens files until the test is over, so that one client can connect but its
// server cannot accept.
func leaveOneDescriptor(t *testing.T) {
	var open []int
	for {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			break
		}
		open = append(open, fd)
	}
	last := len(open) - 1
	unix.Close(open[last])
	t.Cleanup(func() {
		for _, fd := range open[:last] {
			unix.Close(fd)
		}
	})
}

// TestServerGivesUp: a server that cannot accept ends, with its connections, and its clients do
// too. It cannot be known beforehand that other code opens files meanwhile.
func TestServerGivesUp(t *testing.T) {
	s := scenario()
	s.Connections, s.Rounds = 20, 0
	limitDescriptors(t, openNow()+s.descriptors())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	_, err := Run(ctx, s, func(net.Addr) { leaveOneDescriptor(t) })
	if err == nil || !strings.Contains(err.Error(), "too many open files") || !strings.Contains(err.Error(), "ulimit") || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}

// TestFailedConnections: one that was never made is reported once, by the error.
func TestFailedConnections(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	s := scenario()
	s.Connect = ln.Addr().String()
	r, err := Run(t.Context(), s, nil)
	if r == nil || err == nil {
		t.Fatalf("%v, %v", r, err)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || text.String() != "" {
		t.Errorf("%q, %v", text.String(), err)
	}
	want := "3 of 3 ends of connections failed, the first: client of " + s.Connect + ": dial tcp " + s.Connect + ": connect: connection refused"
	if err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
