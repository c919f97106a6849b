package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// program is what make build made.
const program = "../bin/ktlstop"

func TestMain(m *testing.M) {
	if os.Getenv(actorEnv) != "" {
		os.Exit(act(os.Stdin, os.Stdout))
	}
	if os.Getenv("KTLSTOP_GUEST") == "" {
		fmt.Println("skipping the end-to-end tests: they load BPF programs; run them in a guest with make vmtest")
		return
	}
	withoutSignals()
	if out, err := exec.Command("modprobe", "tls").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "modprobe tls: %v: %s\n", err, out)
		os.Exit(1)
	}
	if _, err := os.Stat(program); err != nil {
		fmt.Fprintln(os.Stderr, "no program to test: make build")
		os.Exit(1)
	}
	lookAtFamilies()
	os.Exit(m.Run())
}

// lookAtFamilies makes Go's package net detect the address families. It does so once, and would not
// find IPv6 if the first test to use it were in a network namespace without addresses, such as
// those of cards.
func lookAtFamilies() {
	l, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "listen on all addresses:", err)
		os.Exit(1)
	}
	l.Close()
}

// withoutSignals starts this program again without the signals by which Go's runtime preempts
// goroutines: a signal makes a blocking call on a socket with a timeout, or with MSG_WAITALL, fail
// with EINTR or return less than requested.
func withoutSignals() {
	const setting = "asyncpreemptoff=1"
	if os.Getenv("GODEBUG") == setting {
		os.Unsetenv("GODEBUG") // the programs that the tests start need none
		return
	}
	os.Setenv("GODEBUG", setting)
	self, err := os.Executable()
	if err == nil {
		err = syscall.Exec(self, os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
