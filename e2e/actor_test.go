package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// actorEnv makes this test binary an actor.
const actorEnv = "KTLSTOP_E2E_ACTOR"

// actor is another process that uses sockets on demand. Its orders:
//
//	send FD N    send a record of N bytes
//	recv FD N    receive N bytes
//	take FD      receive a descriptor over the unix socket FD; answers its number
//	uid N        become user N
type actor struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	answer *bufio.Scanner
}

// startActor runs an actor under a name of its own. It inherits files as
// descriptors 3, 4 and so on.
func startActor(t *testing.T, name string, attr *syscall.SysProcAttr, files ...*os.File) *actor {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	link := filepath.Join(t.TempDir(), name)
	must(t, os.Symlink(self, link))
	a := &actor{cmd: exec.Command(link)}
	a.cmd.Env = append(os.Environ(), actorEnv+"=1")
	a.cmd.SysProcAttr, a.cmd.ExtraFiles, a.cmd.Stderr = attr, files, os.Stderr
	a.orders, err = a.cmd.StdinPipe()
	must(t, err)
	out, err := a.cmd.StdoutPipe()
	must(t, err)
	a.answer = bufio.NewScanner(out)
	must(t, a.cmd.Start())
	t.Cleanup(func() {
		if a.cmd.ProcessState == nil {
			_ = a.cmd.Process.Kill() // it may have ended by itself
			_ = a.cmd.Wait()
		}
	})
	return a
}

func (a *actor) pid() int { return a.cmd.Process.Pid }

// do gives an order and returns the answer.
func (a *actor) do(t *testing.T, order string, args ...any) (n int) {
	t.Helper()
	_, err := fmt.Fprintln(a.orders, append([]any{order}, args...)...)
	must(t, err)
	if !a.answer.Scan() {
		t.Fatalf("%s %v: the actor has gone: %v", order, args, a.answer.Err())
	}
	if _, err := fmt.Sscanf(a.answer.Text(), "ok %d", &n); err != nil {
		t.Fatalf("%s %v: %s", order, args, a.answer.Text())
	}
	return n
}

// exit ends the actor, which closes nothing by itself.
func (a *actor) exit(t *testing.T) {
	t.Helper()
	must(t, a.orders.Close())
	must(t, a.cmd.Wait())
}

// act executes the orders of an actor.
func act(orders io.Reader, answers io.Writer) (status int) {
	for sc := bufio.NewScanner(orders); sc.Scan(); {
		n, err := execute(strings.Fields(sc.Text()))
		if err != nil {
			fmt.Fprintln(answers, err)
			return 1
		}
		fmt.Fprintln(answers, "ok", n)
	}
	return 0
}

func execute(order []string) (n int, err error) {
	var args [2]int
	for i, s := range order[1:] {
		if _, err := fmt.Sscan(s, &args[i]); err != nil {
			return 0, err
		}
	}
	switch fd, size := args[0], args[1]; order[0] {
	case "send":
		return size, unix.Send(fd, pattern(size, 0), 0)
	case "recv":
		for n < size {
			m, _, err := unix.Recvfrom(fd, make([]byte, size-n), 0)
			if m <= 0 || err != nil {
				return n, fmt.Errorf("%d of %d bytes: %v", n, size, err)
			}
			n += m
		}
		return n, nil
	case "take":
		return receiveDescriptor(fd)
	case "uid":
		return fd, syscall.Setresuid(fd, fd, fd)
	}
	return 0, fmt.Errorf("unknown order %q", order[0])
}

func receiveDescriptor(fd int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(fd, make([]byte, 1), oob, 0)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return 0, fmt.Errorf("%d control messages: %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, fmt.Errorf("%d descriptors: %v", len(fds), err)
	}
	return fds[0], nil
}

// unixPair is a pair of unix sockets to pass descriptors over.
func unixPair(t *testing.T) (here int, there *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	there = os.NewFile(uintptr(fds[1]), "unix")
	t.Cleanup(func() { unix.Close(fds[0]); there.Close() })
	return fds[0], there
}
