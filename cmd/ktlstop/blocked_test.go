package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/pty"
)

// inTime is when a run that was asked to end has not: two seconds, and what a
// busy machine takes for them.
const inTime = 20 * time.Second

// blocked is a ktlstop that writes to what nobody reads.
type blocked struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// command is a run of this program.
func command(t *testing.T, args ...string) *blocked {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &blocked{t: t, cmd: exec.Command(self, args...)}
	b.cmd.Env = append(os.Environ(), "KTLSTOP_TEST_RUN=1", "TERM=xterm")
	b.cmd.Stderr = &b.stderr
	return b
}

func (b *blocked) start() {
	b.t.Helper()
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *blocked) signal(signals ...syscall.Signal) {
	b.t.Helper()
	for _, s := range signals {
		if err := b.cmd.Process.Signal(s); err != nil {
			b.t.Fatal(err)
		}
	}
}

// ends waits for the end, which must not be long in coming.
func (b *blocked) ends(status int) {
	b.t.Helper()
	late := time.AfterFunc(inTime, func() { _ = b.cmd.Process.Kill() })
	err := b.cmd.Wait()
	if !late.Stop() {
		b.t.Fatal("it does not end")
	}
	if got := b.cmd.ProcessState.ExitCode(); got != status {
		b.t.Errorf("status %d (%v), want %d; %s", got, err, status, &b.stderr)
	}
}

// says wants one line on standard error with these words, or nothing at all.
func (b *blocked) says(words string) {
	b.t.Helper()
	lines := 1
	if words == "" {
		lines = 0
	}
	if s := b.stderr.String(); strings.Count(s, "\n") != lines || !strings.Contains(s, words) {
		b.t.Errorf("standard error has %q, want one line with %q", s, words)
	}
}

// longRecording is longer than what a pipe and a queue of a million bytes hold.
func longRecording(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "recording")
	if err := os.WriteFile(name, bytes.Repeat(b, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// copying is a ktlstop that copies the recording.
func copying(t *testing.T, args ...string) *blocked {
	t.Helper()
	return command(t, append([]string{"trace", "--read", longRecording(t), "-o", "json", "--output-bytes", "1000000"}, args...)...)
}

// small makes a pipe hold less than is written at once.
func small(t *testing.T, pipe *os.File) {
	t.Helper()
	conn, err := pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	control := conn.Control(func(fd uintptr) { _, err = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 4096) })
	if err := errors.Join(control, err); err != nil {
		t.Fatal(err)
	}
}

// toPipe gives it a pipe as standard output.
func (b *blocked) toPipe() (reader *os.File) {
	b.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { r.Close() })
	small(b.t, r)
	b.cmd.Stdout = w
	b.start()
	w.Close()
	return r
}

// toFIFO gives it a FIFO to write to.
func (b *blocked) toFIFO() (reader *os.File) {
	b.t.Helper()
	name := filepath.Join(b.t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		b.t.Fatal(err)
	}
	r, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { r.Close() })
	small(b.t, r)
	b.cmd.Args = append(b.cmd.Args, "-w", name)
	b.start()
	return r
}

// toTerminal gives it a terminal.
func (b *blocked) toTerminal() (master *os.File) {
	b.t.Helper()
	master, terminal := openTerminal(b.t)
	b.cmd.Stdout = terminal
	b.start()
	terminal.Close()
	return master
}

// writes waits until there is something to read.
func writes(t *testing.T, reader *os.File) {
	t.Helper()
	conn, err := reader.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Control(func(fd uintptr) {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(inTime.Milliseconds()))
			if n == 1 {
				return
			}
			if !errors.Is(err, unix.EINTR) {
				t.Fatalf("nothing is written: %v", err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStuckReader: nobody reads, ever, and the run ends at a signal all the same.
func TestStuckReader(t *testing.T) {
	for name, open := range map[string]func(*blocked) *os.File{
		"pipe": (*blocked).toPipe, "FIFO": (*blocked).toFIFO, "terminal": (*blocked).toTerminal,
	} {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			t.Run(name+" "+signal.String(), func(t *testing.T) {
				t.Parallel()
				b := copying(t)
				writes(t, open(b))
				b.signal(signal)
				b.ends(1)
				b.says(" lines were not written to ")
			})
		}
	}
}

// TestSecondSignal ends the run at once.
func TestSecondSignal(t *testing.T) {
	b := copying(t)
	writes(t, b.toPipe())
	b.signal(syscall.SIGINT, syscall.SIGTERM)
	b.ends(130)
}

// TestReaderDies: that of standard output has seen enough, that of a file is
// missing. The file is a FIFO, which ktlstop must not read itself.
func TestReaderDies(t *testing.T) {
	b := copying(t)
	r := b.toPipe()
	writes(t, r)
	r.Close()
	b.ends(0)
	b.says("")

	b = copying(t)
	r = b.toFIFO()
	writes(t, r)
	r.Close()
	b.ends(1)
	b.says(b.cmd.Args[len(b.cmd.Args)-1] + ": broken pipe")
}

// TestNoReader: a FIFO that nobody reads is an error, not a long wait.
func TestNoReader(t *testing.T) {
	b := copying(t)
	b.toFIFO().Close()
	b.ends(1)
	b = command(t, append(b.cmd.Args[1:], "-o", "json")...)
	b.start()
	b.ends(1)
	b.says("nobody reads")
}

// TestFullDisk: what can hold nothing ends the run, with one line.
func TestFullDisk(t *testing.T) {
	b := copying(t, "-w", "/dev/full")
	b.start()
	b.ends(1)
	b.says("/dev/full: no space left on device")
}

// fullPipe returns a pipe that takes nothing. Its reader stays, and never reads.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); r.Close() })
	if err := w.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a pipe holds a megabyte: %v", err)
	}
	return w
}

// TestStuckReport: nobody reads what gen and bench have to say at their end.
func TestStuckReport(t *testing.T) {
	sizes := strings.Repeat("1KiB,", 50) + "1KiB"
	for name, args := range map[string][]string{
		"gen":   {"gen", "--rounds", "2000", "-s", "1", "--list-records", "-o", "json"},
		"bench": {"bench", "--sizes", sizes, "--ways", "tcp write", "--max-bytes", "1", "--perf=false", "-o", "json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := command(t, args...)
			writes(t, b.toPipe())
			b.signal(syscall.SIGINT)
			b.ends(1)
			b.says("write the report to standard output: ")
		})
	}
}

// TestStuckHelp: what is written without a queue is left behind all the same.
func TestStuckHelp(t *testing.T) {
	b := command(t, "completion", "bash")
	writes(t, b.toPipe())
	b.signal(syscall.SIGINT)
	b.ends(1)
	b.says("stopped by the signal; unfinished work was dropped")
}

// TestStuckErrors: where nobody reads standard error either, nothing is said.
func TestStuckErrors(t *testing.T) {
	b := copying(t)
	b.cmd.Stderr = fullPipe(t)
	writes(t, b.toPipe())
	b.signal(syscall.SIGTERM)
	b.ends(1)
}

// TestStuckScreen: a dashboard whose terminal was stopped by Ctrl-S, or is full of
// what nobody reads, cannot draw. It ends at a signal, and leaves the terminal as
// it was.
func TestStuckScreen(t *testing.T) {
	for name, stick := range map[string]func(t *testing.T, master, terminal *os.File){"stopped": stopTerminal, "unread": fillTerminal} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stuckScreen(t, stick)
		})
	}
}

func stuckScreen(t *testing.T, stick func(t *testing.T, master, terminal *os.File)) {
	master, terminal := openTerminal(t)
	settings := func() unix.Termios {
		s, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return *s
	}
	before := settings()
	stick(t, master, terminal)
	b := command(t, "--read", recording)
	b.cmd.Stdin, b.cmd.Stdout = terminal, terminal
	b.start()
	for deadline := time.Now().Add(inTime); settings().Lflag&unix.ICANON != 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the dashboard does not take the terminal")
		}
	}
	b.signal(syscall.SIGTERM)
	b.ends(1)
	if after := settings(); after != before {
		t.Errorf("the terminal's settings were %+v, are %+v", before, after)
	}
}

func stopTerminal(t *testing.T, _, terminal *os.File) {
	t.Helper()
	if err := pty.Stop(terminal); err != nil {
		t.Fatal(err)
	}
}

func fillTerminal(t *testing.T, master, terminal *os.File) {
	t.Helper()
	if err := pty.Fill(master, terminal); err != nil {
		t.Fatal(err)
	}
}

// TestStuckPictures: a terminal that cannot move its cursor gets pictures one below
// the other, and nobody reads them.
func TestStuckPictures(t *testing.T) {
	master, terminal := openTerminal(t)
	if err := pty.Resize(terminal, 132, 43); err != nil {
		t.Fatal(err)
	}
	b := command(t, "--read", recording, "-d", "50ms")
	b.cmd.Env = append(b.cmd.Env, "TERM=dumb")
	b.cmd.Stdin, b.cmd.Stdout = terminal, terminal
	b.start()
	writes(t, master)
	for deadline := time.Now().Add(inTime); takesMore(t, terminal); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the terminal takes whatever is written")
		}
	}
	b.signal(syscall.SIGTERM)
	b.ends(1)
	b.says("write the pictures to standard output: ")
}

// takesMore reports whether a terminal has room for what is written to it. One that is
// being written to has none for that moment.
func takesMore(t *testing.T, terminal *os.File) bool {
	t.Helper()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(terminal.Fd()), Events: unix.POLLOUT}}, 250)
	if err != nil && !errors.Is(err, unix.EINTR) {
		t.Fatal(err)
	}
	return n > 0
}
