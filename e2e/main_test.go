package e2e

import (
	"fmt"
	"os"
	"os/exec"
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
	if out, err := exec.Command("modprobe", "tls").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "modprobe tls: %v: %s\n", err, out)
		os.Exit(1)
	}
	if _, err := os.Stat(program); err != nil {
		fmt.Fprintln(os.Stderr, "no program to test: make build")
		os.Exit(1)
	}
	os.Exit(m.Run())
}
