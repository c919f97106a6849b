package e2e

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/pty"
)

var overloaded = security{"1.3", "AES-GCM-128", "sw"}

// TestOverload: with a ring of one page most events find no room. The records reported
// and those counted as lost add up to those sealed, connection by connection.
func TestOverload(t *testing.T) {
	onEnds(t)
	const conns, records = 4, 400
	tr := startTracer(t, "--ring-bytes", "4096")
	var wg sync.WaitGroup
	pairs := make([]*pair, conns)
	for i := range pairs {
		p := newPair(t, overloaded)
		pairs[i] = p
		defer p.close()
		wg.Go(func() { p.exchange(t, records, pattern(10, i)) })
	}
	wg.Wait()
	unread := newPair(t, overloaded)
	defer unread.close()
	tr.stopped(func() { unread.exchange(t, records, pattern(10, conns)) }) // a fast reader may have kept up so far
	got := tr.stop()
	if len(got.summary(t).Lost) == 0 {
		t.Error("nothing was lost: this is no overload")
	}
	for _, p := range append(pairs, unread) {
		checkLedger(t, got, p.lport, p.rport, "tx", records)
		checkLedger(t, got, p.rport, p.lport, "rx", records)
	}
}

// exchange sends and reads n records.
func (p *pair) exchange(t *testing.T, n int, b []byte) {
	t.Helper()
	for range n {
		p.send(t, b, 0)
		p.recv(t, len(b), len(b))
	}
}

// stopped runs f while the tracer is stopped.
func (tr *tracer) stopped(f func()) {
	tr.t.Helper()
	must(tr.t, tr.cmd.Process.Signal(syscall.SIGSTOP))
	f()
	must(tr.t, tr.cmd.Process.Signal(syscall.SIGCONT))
}

// overrun stops the tracer while a pair exchanges records, and then control records;
// once the tracer has caught up, some more follow, of 11 bytes.
func (tr *tracer) overrun(p *pair, records, controls, after int) {
	t := tr.t
	t.Helper()
	tr.stopped(func() {
		p.exchange(t, records, pattern(10, 1))
		for range controls {
			p.sendControl(t, 22, []byte{4, 0, 0, 0})
			p.recvControl(t, 100)
		}
	})
	// The reader has caught up when it reports a new connection.
	q := newPair(t, overloaded)
	t.Cleanup(q.close)
	tr.waitFor(func() bool {
		q.exchange(t, 1, pattern(10, 2))
		return tr.shows(q)
	})
	p.exchange(t, after, pattern(11, 3))
}

// checkOverrun: rare events and all events after an overrun are there.
func checkOverrun(t *testing.T, dir string, seen trace, controls, after int) {
	t.Helper()
	if n := len(seen.filter(func(l *line) bool { return l.Content == "handshake" })); n != controls {
		t.Errorf("%s: %d of %d control records are seen", dir, n, controls)
	}
	if n := len(seen.filter(func(l *line) bool { return l.record.Len == 11 })); n != after {
		t.Errorf("%s: %d of %d records are seen after the tracer went on", dir, n, after)
	}
}

// TestStoppedReader: while the tracer is stopped the ring fills with data. Rare events
// still find room; once the tracer continues it reports everything again.
func TestStoppedReader(t *testing.T) {
	onEnds(t)
	const records, controls, after = 600, 15, 20
	tr := startTracer(t, "--ring-bytes", "65536")
	p := newPair(t, overloaded)
	defer p.close()
	tr.overrun(p, records, controls, after)
	got := tr.stop()
	if len(got.summary(t).Lost) == 0 {
		t.Error("nothing was lost: this is no overload")
	}
	for _, way := range []struct {
		from, to int
		dir      string
	}{{p.lport, p.rport, "tx"}, {p.rport, p.lport, "rx"}} {
		checkLedger(t, got, way.from, way.to, way.dir, records+controls+after)
		seen := got.stream(way.from, way.to, way.dir)
		checkOverrun(t, way.dir, seen, controls, after)
	}
}

// TestSlowOutput: the tracer's output is slower than the traffic: a pipe, a terminal, a
// file (a FIFO stands for one on a disk that accepts no more). Nothing is lost
// silently, and the traced programs do not wait.
func TestSlowOutput(t *testing.T) {
	onOneKernel(t)
	for name, open := range map[string]func(t *testing.T, cmd *exec.Cmd) (r io.Reader, opened func()){
		"pipe": slowPipe, "terminal": slowTerminal, "file": slowFile,
	} {
		t.Run(name, func(t *testing.T) { slowOutput(t, open) })
	}
}

func slowOutput(t *testing.T, open func(*testing.T, *exec.Cmd) (io.Reader, func())) {
	const records = 1000
	lines := make(chan trace, 1)
	release := make(chan struct{})
	tr := &tracer{t: t, cmd: exec.Command(program, "trace", "-o", "json", "--ring-bytes", "65536", "--output-bytes", "65536")}
	r, opened := open(t, tr.cmd)
	tr.start()
	opened()
	go func() { lines <- readLate(r, release) }()
	p := newPair(t, overloaded)
	defer p.close()
	p.exchange(t, records, pattern(10, 1))
	close(release)
	must(t, tr.cmd.Process.Signal(syscall.SIGINT))
	tr.wait()
	got := <-lines
	leftOut := got.summary(t).Lost["output_full"]
	if leftOut == 0 {
		t.Error("the output took all: this is no overload")
	}
	seen := len(got.stream(p.lport, p.rport, "tx")) + len(got.stream(p.rport, p.lport, "rx"))
	missed, told := 0, 0
	for _, l := range got.ofType("lost") {
		switch {
		case l.Cause == "output_full":
			told += int(l.Count)
		case l.Sock.LPort != 0:
			missed += int(l.Count)
		}
	}
	if told != int(leftOut) || seen+missed+told != 2*records {
		t.Errorf("%d seen + %d missed + %d left out (%d in the summary) is not %d", seen, missed, told, leftOut, 2*records)
	}
}

// TestStuckOutput: the output is never read, and a signal ends the trace all the same;
// the traced programs do not wait meanwhile.
func TestStuckOutput(t *testing.T) {
	onOneKernel(t)
	for name, open := range map[string]func(t *testing.T, cmd *exec.Cmd) (r io.Reader, opened func()){
		"pipe": slowPipe, "terminal": slowTerminal, "file": slowFile,
	} {
		t.Run(name, func(t *testing.T) {
			tr := &tracer{t: t, cmd: exec.Command(program, "trace", "-o", "json", "--output-bytes", "1000000")}
			_, opened := open(t, tr.cmd)
			tr.start()
			opened()
			p := newPair(t, overloaded)
			defer p.close()
			p.exchange(t, 1000, pattern(10, 1))
			must(t, tr.cmd.Process.Signal(syscall.SIGTERM))
			tr.fails(1, " lines were not written to ")
		})
	}
}

// fails waits for the end of a run that reports an error.
func (tr *tracer) fails(status int, words string) {
	t := tr.t
	t.Helper()
	select {
	case <-tr.done:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if got := tr.cmd.ProcessState.ExitCode(); got != status || !strings.Contains(tr.stderr.String(), words) {
		t.Errorf("status %d, want %d; %q, want %q", got, status, &tr.stderr, words)
	}
}

// slowPipe and similar functions give the tracer an output that is read late. The
// function that they return is called when the tracer has its end.
func slowPipe(t *testing.T, cmd *exec.Cmd) (io.Reader, func()) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close() })
	cmd.Stdout = w
	return r, func() { w.Close() }
}

func slowTerminal(t *testing.T, cmd *exec.Cmd) (io.Reader, func()) {
	t.Helper()
	master, terminal := openTerminal(t)
	t.Cleanup(func() { master.Close() })
	cmd.Stdout = terminal
	return master, func() { terminal.Close() }
}

func slowFile(t *testing.T, cmd *exec.Cmd) (io.Reader, func()) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(name, 0o600))
	r, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	cmd.Args = append(cmd.Args, "-w", name)
	return r, func() {}
}

// readLate reads nothing until it is released.
func readLate(r io.Reader, release <-chan struct{}) (tr trace) {
	select {
	case <-release:
	case <-time.After(patience):
	}
	for lines := json.NewDecoder(r); ; {
		var l line
		if lines.Decode(&l) != nil {
			return tr
		}
		tr = append(tr, l)
	}
}

// checkLedger: seen + lost = sealed, for one direction of one socket.
func checkLedger(t *testing.T, tr trace, lport, rport int, dir string, sealed int) {
	t.Helper()
	seen := len(tr.stream(lport, rport, dir))
	lost := 0
	for _, l := range tr.ofType("lost") {
		if l.Sock.LPort == lport && l.Sock.RPort == rport && l.Dir == dir {
			lost += int(l.Count)
		}
	}
	if seen+lost != sealed {
		t.Errorf("port %d %s: %d seen + %d lost is not %d", lport, dir, seen, lost, sealed)
	}
}

// TestStuckScreen: a dashboard whose terminal is not read, or that Ctrl-S has stopped,
// cannot draw. A signal ends it all the same, and the hooks are detached. How long that
// takes depends on the kernel; cmd/ktlstop and internal/ending test the two seconds.
func TestStuckScreen(t *testing.T) {
	onOneKernel(t)
	for name, stick := range map[string]func(t *testing.T, master, terminal *os.File){"unread": fillTerminal, "stopped": stopTerminal} {
		t.Run(name, func(t *testing.T) {
			master, terminal := openTerminal(t)
			defer master.Close()
			defer terminal.Close()
			stick(t, master, terminal)
			tr := &tracer{t: t, cmd: exec.Command(program)}
			tr.cmd.Env = append(os.Environ(), "TERM=xterm")
			tr.cmd.Stdin, tr.cmd.Stdout = terminal, terminal
			tr.start()
			tr.waitFor(func() bool { return unbuffered(t, terminal) }) // from here on it draws
			must(t, tr.cmd.Process.Signal(syscall.SIGINT))
			tr.fails(1, "stopped by the signal")
			noHooks(t)
		})
	}
}

// unbuffered reports whether a terminal passes on keys as they come.
func unbuffered(t *testing.T, terminal *os.File) bool {
	t.Helper()
	settings, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	must(t, err)
	return settings.Lflag&unix.ICANON == 0
}

func stopTerminal(t *testing.T, _, terminal *os.File) {
	t.Helper()
	must(t, pty.Stop(terminal))
}

func fillTerminal(t *testing.T, master, terminal *os.File) {
	t.Helper()
	must(t, pty.Fill(master, terminal))
}

// noHooks checks that every program is detached.
func noHooks(t *testing.T) {
	t.Helper()
	if n := tlsReferences(t); n != "0" {
		t.Errorf("the module tls still has %s users", n)
	}
}

// TestDiskFills: a file system runs out of room during a trace, which ends the trace at
// once, with one line and nothing left behind.
func TestDiskFills(t *testing.T) {
	onOneKernel(t)
	for _, name := range []string{"events.jsonl", "events.pcapng"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, syscall.Mount("small", dir, "tmpfs", 0, "size=64k"))
			t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
			before := mounts(t)
			file := filepath.Join(dir, name)
			tr := &tracer{t: t, cmd: exec.Command(program, "trace", "-s", "1000", "-w", file)}
			tr.start()
			p := newPair(t, overloaded)
			p.exchange(t, 200, pattern(1000, 1))
			p.close()
			tr.fails(1, file+": no space left on device\n")
			if n := strings.Count(tr.stderr.String(), "\n"); n != 1 {
				t.Errorf("%d lines: %s", n, &tr.stderr)
			}
			noHooks(t)
			if after := mounts(t); after != before {
				t.Errorf("mounted was\n%s, is\n%s", before, after)
			}
		})
	}
}

// mounts lists the mounts.
func mounts(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	return string(b)
}
