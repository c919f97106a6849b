package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ktlstop/ktlstop/internal/pty"
)

// openTerminal makes a terminal, with the end at which what was written to it can be read.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); terminal.Close() })
	return master, terminal
}

// TestNothingIsAskedOfATerminal, which might not answer: what comes is what was asked for.
func TestNothingIsAskedOfATerminal(t *testing.T) {
	master, terminal := openTerminal(t)
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

// TestAnnounce: a person reads that the trace has begun, and a script does not.
func TestAnnounce(t *testing.T) {
	_, terminal := openTerminal(t)
	file, err := os.Create(t.TempDir() + "/stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var said []string
	say := func(text string) { said = append(said, text) }
	announce(file, "for a file", say)
	announce(terminal, "for a person", say)
	if want := []string{"for a person"}; !slices.Equal(said, want) {
		t.Errorf("%q, want %q", said, want)
	}
}
