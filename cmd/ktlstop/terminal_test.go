package main

import (
	"bytes"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ktlstop/ktlstop/internal/pty"
)

// TestNothingIsAskedOfATerminal, which might not answer: what comes is what was asked for.
func TestNothingIsAskedOfATerminal(t *testing.T) {
	master, terminal, err := pty.Open()
	if err != nil {
		t.Skip("no pseudo-terminal here: ", err)
	}
	defer master.Close()
	defer terminal.Close()
	b := command(t, "version")
	b.cmd.Env = slices.DeleteFunc(b.cmd.Env, func(v string) bool { return strings.HasPrefix(v, "CI=") }) // where nothing is asked
	b.cmd.Stdin, b.cmd.Stdout = terminal, terminal
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // only who is in the foreground asks
	b.start()
	if err := b.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 4096)
	n, err := master.Read(said)
	if err != nil || bytes.ContainsRune(said[:n], '\x1b') || !bytes.HasPrefix(said, []byte("ktlstop "+version)) {
		t.Errorf("%q, %v", said[:n], err)
	}
}
