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

// lookAtFamilies makes Go's package net look which address families there are. It does so once, and would find none of
// IPv6 if the first test to use it were in a network namespace that has no addresses yet, as those of cards are.
func lookAtFamilies() {
	l, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "listen on all addresses:", err)
		os.Exit(1)
	}
	l.Close()
}

// withoutSignals starts this program anew without the signals by which Go's
// runtime preempts goroutines: a blocking call on a socket with a timeout, or with
// MSG_WAITALL, fails at one with EINTR or does less than it was asked to.
func withoutSignals() {
	const setting = "asyncpreemptoff=1"
	if os.Getenv("GODEBUG") == setting {
		os.Unsetenv("GODEBUG") // what the tests start needs none
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
