package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ktlstop runs the program to its end.
func ktlstop(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	return run(t, []string{program}, args...)
}

// run runs ktlstop with another command in front.
func run(t *testing.T, ktlstop []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(ktlstop[0], slices.Concat(ktlstop[1:], args)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestFailuresInOneLine(t *testing.T) {
	onOneKernel(t)
	full := fullDisk(t)
	for name, args := range map[string][]string{
		"no such folder": {"trace", "-w", "/nowhere/file", "--duration", "1s"},
		"ready file":     {"trace", "--ready-file", "/nowhere/file", "--duration", "1s"},
		"full disk":      {"trace", "-w", full, "--duration", "1s"},
		"no cgroup":      {"trace", "--cgroup", "/proc", "--duration", "1s"},
		"no pcapng":      {"trace", "-w", "/nowhere/file.pcapng", "--duration", "1s"},
		"no filter":      {"trace", "-s", "1", "--socket-filter", "/nowhere/filter.o", "--duration", "1s"},
		"bad jump":       {"trace", "-s", "1", "--cbpf", "1,21 1 1 0", "--duration", "1s"},
		"foreign name":   {"tap", "lo", "--duration", "1s"},
		"no namespace":   {"tap", "ktls0", "--tap-netns", "nowhere", "--duration", "1s"},
		"no such plot":   {"bench", "--sizes", "1", "--ways", "tcp write", "--max-bytes", "1", "--perf=false", "--svg", "/nowhere/file"},
		"no server":      {"gen", "--connect", "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, stderr, status := ktlstop(t, args...)
			if status != 1 || !strings.HasPrefix(stderr, "ktlstop: ") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, stderr %q", status, stderr)
			}
		})
	}
}

// fullDisk returns a file name on a file system without room.
func fullDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, syscall.Mount("full", dir, "tmpfs", 0, "size=4k"))
	t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
	must(t, os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 4096), 0o600))
	return filepath.Join(dir, "events")
}

func TestWithoutRights(t *testing.T) {
	onOneKernel(t)
	if _, err := os.Stat(program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "trace", "--duration", "1s")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "run as root") ||
		strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v: %s", err, out)
	}
}

// TestHiddenSymbols: without the kernel's page addresses there is no plaintext, and a
// trace without plaintext reports what is missing.
func TestHiddenSymbols(t *testing.T) {
	onEnds(t)
	const restrict = "/proc/sys/kernel/kptr_restrict"
	before, err := os.ReadFile(restrict)
	must(t, err)
	must(t, os.WriteFile(restrict, []byte("2"), 0))
	t.Cleanup(func() { must(t, os.WriteFile(restrict, before, 0)) })
	_, stderr, status := ktlstop(t, "trace", "-s", "16", "--duration", "1s")
	if status != 1 || !strings.Contains(stderr, "kptr_restrict=1") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
	missing := startTracer(t).stop().summary(t).Missing
	if len(missing) != 1 || !strings.HasPrefix(missing[0], "page addresses: ") {
		t.Errorf("missing %q, want the page addresses", missing)
	}
}

// TestEnds ends a trace in each way that a user can, with nothing left attached.
func TestEnds(t *testing.T) {
	onOneKernel(t)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	tracers := startTracers(t, make([][]string, len(signals)))
	for i, s := range signals {
		t.Run(s.String(), func(t *testing.T) {
			must(t, tracers[i].cmd.Process.Signal(s))
			tracers[i].wait()
			tracers[i].read().summary(t)
		})
	}
	if n := tlsReferences(t); n != "0" {
		t.Errorf("the module tls still has %s users", n)
	}
}

// TestEndsWhileItStarts: a signal before the hooks are attached ends ktlstop in two
// seconds all the same, with one line and nothing left attached.
func TestEndsWhileItStarts(t *testing.T) {
	onOneKernel(t)
	var stderr bytes.Buffer
	cmd := exec.Command(program, "trace")
	cmd.Stderr = &stderr
	begin := time.Now()
	must(t, cmd.Start())
	loading(t, cmd.Process.Pid)
	pace := time.Since(begin) // of this machine at this time
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	begin = time.Now()
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 1 || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("status %d: %q", status, stderr.String())
	}
	if took := time.Since(begin); took > max(5*time.Second, 3*pace) { // two, and the time that an emulated kernel needs to finish its current work
		t.Errorf("it took %v, and its start %v", took, pace)
	}
	if n := tlsReferences(t); n != "0" {
		t.Errorf("the module tls still has %s users", n)
	}
}

// loading waits until a process has its first BPF map.
func loading(t *testing.T, pid int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		fds, err := os.ReadDir(dir)
		must(t, err)
		for _, fd := range fds {
			if link, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && strings.Contains(link, "bpf-map") {
				return
			}
		}
	}
	t.Fatal("no program is loaded")
}

// tlsReferences is the module's reference count; attached programs hold one each.
func tlsReferences(t *testing.T) string {
	t.Helper()
	// The kernel frees links a grace period after their owner is gone.
	deadline := time.Now().Add(patience)
	for {
		b, err := os.ReadFile("/sys/module/tls/refcnt")
		must(t, err)
		n := strings.TrimSpace(string(b))
		if n == "0" || time.Now().After(deadline) {
			return n
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestClosedPipe: ktlstop trace | head -1 ends silently, at the next record, or without
// one, at the end of the run.
func TestClosedPipe(t *testing.T) {
	onOneKernel(t)
	for name, c := range map[string]struct {
		duration string
		traffic  bool
	}{"with traffic": {"24h", true}, "without": {"1s", false}} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			must(t, err)
			var stderr bytes.Buffer
			cmd := exec.Command(program, "trace", "--duration", c.duration)
			cmd.Stdout, cmd.Stderr = w, &stderr
			must(t, cmd.Start())
			w.Close()
			if c.traffic {
				stop := keepTalking(t)
				defer stop()
				_, err = io.ReadFull(r, make([]byte, 1))
				must(t, err)
			}
			r.Close()
			late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer late.Stop()
			if err := cmd.Wait(); err != nil || stderr.Len() != 0 {
				t.Errorf("%v: %s", err, &stderr)
			}
		})
	}
}

// keepTalking makes traffic until it is stopped.
func keepTalking(t *testing.T) (stop func()) {
	t.Helper()
	cmd := exec.Command(program, "gen", "--rate", "20", "--rounds", "0", "-s", "100")
	must(t, cmd.Start())
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// TestCount stops after exactly the given number of records.
func TestCount(t *testing.T) {
	onOneKernel(t)
	stop := keepTalking(t)
	defer stop()
	stdout, stderr, status := ktlstop(t, "trace", "-o", "json", "-c", "7")
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	if n := len(trace(parse(t, []byte(stdout))).ofType("record")); n != 7 {
		t.Errorf("%d records, want 7", n)
	}
}

// TestPrivateFiles: only the owner can read a file with plaintext, even if the file
// existed before.
func TestPrivateFiles(t *testing.T) {
	onOneKernel(t)
	name := filepath.Join(t.TempDir(), "events")
	must(t, os.WriteFile(name, nil, 0o644))
	if _, stderr, status := ktlstop(t, "trace", "-s", "16", "-w", name, "--duration", "100ms"); status != 0 {
		t.Fatal(stderr)
	}
	st, err := os.Stat(name)
	must(t, err)
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", st.Mode().Perm())
	}
}

// playNoBytes: without --snaplen the output has not one byte of plaintext.
func playNoBytes(t *testing.T, tr *tracer) func(*testing.T, trace) {
	c := newConversation(t, tls.VersionTLS13, 0, "AES-GCM-128")
	c.exchange(t, bytes.Repeat([]byte("secret"), 100), "send")
	c.client.Close()
	c.server.Close()
	return func(t *testing.T, got trace) {
		raw, err := os.ReadFile(tr.file)
		must(t, err)
		if bytes.Contains(raw, []byte("secret")) || bytes.Contains(raw, []byte(base64.StdEncoding.EncodeToString([]byte("secret")))) {
			t.Error("the plaintext is in the output")
		}
		if len(got.of(port(c.client.LocalAddr()), port(c.client.RemoteAddr())).ofType("record")) == 0 {
			t.Error("no records")
		}
		for _, l := range got.ofType("record") {
			if l.Payload.Len != 0 || l.Payload.Data != nil {
				t.Errorf("payload in %+v", l)
			}
		}
	}
}

// TestListOfNothing: a person gets a message that there is nothing, a program gets no
// output.
func TestListOfNothing(t *testing.T) {
	onOneKernel(t)
	for output, want := range map[string]string{"text": "ktlstop: no open kernel TLS socket is one of --port 1\n", "json": ""} {
		stdout, stderr, status := ktlstop(t, "list", "--port", "1", "-o", output)
		if status != 0 || stdout != "" || stderr != want {
			t.Errorf("-o %s: status %d, %q and %q, want %q", output, status, stdout, stderr, want)
		}
	}
}

// TestList finds sockets that were open before, with their owner.
func TestList(t *testing.T) {
	c := newConversation(t, tls.VersionTLS13, 0, "AES-GCM-128")
	defer c.client.Close()
	defer c.server.Close()
	stdout, stderr, status := ktlstop(t, "list", "-o", "json")
	if status != 0 {
		t.Fatal(stderr)
	}
	cport, sport := port(c.client.LocalAddr()), port(c.client.RemoteAddr())
	for _, p := range [][2]int{{cport, sport}, {sport, cport}} {
		found := trace(parse(t, []byte(stdout))).filter(func(l *line) bool {
			return l.Type == "socket" && l.State == "found" && l.Sock.LPort == p[0] && l.Sock.RPort == p[1]
		})
		if len(found) != 1 {
			t.Fatalf("found %d times in %s", len(found), stdout)
		}
		f := found[0]
		want := security{"1.3", "AES-GCM-128", "sw"}
		if f.PID != os.Getpid() || f.Comm != comm(t) || f.TX.security != want || f.RX.security != want || f.Sock.Cookie == 0 {
			t.Errorf("%+v", f)
		}
	}
}

func comm(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", os.Getpid()))
	must(t, err)
	return strings.TrimSpace(string(b))
}

// TestDemo: without a terminal the demo prints lines of its own traffic, and ends.
func TestDemo(t *testing.T) {
	onOneKernel(t)
	stdout, stderr, status := ktlstop(t, "demo", "--duration", "1s")
	if status != 0 || !strings.Contains(stdout, " data ") || !strings.Contains(stdout, "lost: nothing") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
}

// TestTraceAnnounces: where standard error is a terminal, a person reads when the hooks are live.
func TestTraceAnnounces(t *testing.T) {
	onOneKernel(t)
	for want, args := range map[string][]string{
		"ktlstop: tracing; Ctrl-C ends it":               nil,
		"ktlstop: keeping the last 1m0s; Ctrl-C ends it": {"--keep", "60s"},
	} {
		master, terminal := openTerminal(t)
		defer master.Close()
		cmd := exec.Command(program, append([]string{"trace", "--duration", "60s"}, args...)...)
		cmd.Stderr = terminal
		must(t, cmd.Start())
		terminal.Close() // the trace has it, and its end ends the reading
		lines := bufio.NewScanner(master)
		for lines.Scan() && lines.Text() != want {
			t.Logf("%q", lines.Text())
		}
		if lines.Text() != want {
			t.Errorf("%q: it does not say %q", args, want)
		}
		must(t, cmd.Process.Signal(os.Interrupt))
		must(t, cmd.Wait())
	}
}
