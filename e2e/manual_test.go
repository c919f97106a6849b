package e2e

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/guesttest"
	"github.com/ktlstop/ktlstop/internal/pty"
	"github.com/ktlstop/ktlstop/internal/readme"
)

// notRun are command lines that stand in sh blocks and are not run here, with the reason.
var notRun = map[string]string{
	"ktlstop doctor 1234 :443": "no process here has that number; TestDoctorLooks runs it with one",
}

// TestManual runs the command lines of ktlstop that README.md and the pages of docs have in blocks marked sh, beside
// traffic of an nginx and its client. With each change it runs README.md's and so many
// others that each command and flag is run once, before a release all.
func TestManual(t *testing.T) {
	onlyOn(t, "6.18")
	m := newManual(t)
	lines := manualLines(t)
	if len(lines) < 20 {
		t.Errorf("%d command lines: are they all found?", len(lines))
	}
	for _, c := range lines {
		t.Run(c.Where, func(t *testing.T) {
			t.Parallel()
			if err := m.run(c); err != nil {
				t.Errorf("%s: %v", c.Text, err)
			}
		})
	}
}

// manualLines are the command lines to run.
func manualLines(t *testing.T) []readme.Command {
	t.Helper()
	pages, err := readme.Pages("..")
	must(t, err)
	var all []readme.Command
	seen := map[string]bool{}
	for _, p := range pages {
		found, err := p.Commands()
		must(t, err)
		for _, c := range found {
			key := strings.TrimSpace(c.Env + " " + c.Text)
			if c.Run && !seen[key] && notRun[key] == "" {
				all = append(all, c)
			}
			seen[key] = true
		}
	}
	for key := range notRun {
		if !seen[key] {
			t.Errorf("no document has %q any more: take it out of notRun", key)
		}
	}
	lines := all
	if !guesttest.BeforeRelease() {
		lines = eachPartOnce(all)
	}
	t.Logf("of %d command lines in blocks marked sh %d are run", len(all), len(lines))
	return lines
}

// eachPartOnce takes the lines of README.md, and then others until each part of all has been in one of them, those with
// most parts first.
func eachPartOnce(all []readme.Command) (lines []readme.Command) {
	rich := slices.SortedStableFunc(slices.Values(all), func(a, b readme.Command) int {
		return cmp.Or(rank(a)-rank(b), len(parts(b))-len(parts(a)))
	})
	had := map[string]bool{}
	for _, c := range rich {
		fresh := rank(c) == 0
		for _, p := range parts(c) {
			fresh = fresh || !had[p]
			had[p] = true
		}
		if fresh {
			lines = append(lines, c)
		}
	}
	return lines
}

// rank is 0 for what everybody reads first.
func rank(c readme.Command) int {
	if strings.HasPrefix(c.Where, "README.md:") {
		return 0
	}
	return 1
}

// plain are flags that only choose records or end a run: other tests show what they do, with every value.
var plain = []string{"--comm", "-p", "--pid", "-u", "--uid", "--port", "--dir", "--cgroup", "--duration"}

// choosing are flags whose values lead through different parts of the program.
var choosing = []string{"-o", "--output", "--format", "--sample", "--op", "--fault"}

// parts are what a command line makes the program do: its command by itself, each flag, and the values that choose a way.
func parts(c readme.Command) []string {
	name := subcommand(c)
	all := []string{name + c.Env}
	if screen(c) {
		all = append(all, "screen")
	}
	for i, w := range c.Words[1:] {
		before := c.Words[i]
		switch {
		case slices.Contains(choosing, before):
			all = append(all, name+" "+before+" "+w)
		case strings.HasPrefix(w, "-") && !slices.Contains(plain, w):
			all = append(all, name+" "+w)
		case name == "help" && i > 0:
			all = append(all, name+" "+w)
		}
	}
	return all
}

// manual is where command lines run, and what they find there.
type manual struct {
	t   *testing.T
	dir string
	one map[string]*sync.Mutex // a command of which only one can run at a time: it has a port or an interface
}

func newManual(t *testing.T) *manual {
	t.Helper()
	m := &manual{t: t, dir: t.TempDir(), one: map[string]*sync.Mutex{"serve": new(sync.Mutex), "tap": new(sync.Mutex)}}
	bin, err := filepath.Abs("../bin")
	must(t, err)
	must(t, os.Symlink(bin, filepath.Join(m.dir, "bin")))
	recording, err := os.ReadFile("../docs/picture/recording.jsonl")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(m.dir, "events.jsonl"), recording, 0o600))
	for _, made := range []string{"/etc/ktlstop", "/var/log/ktlstop"} { // which documents tell the reader to make
		must(t, os.MkdirAll(made, 0o755))
	}
	const users = "basic_auth_users:\n  me: $2y$10$CwTycUXWue0Thq9StjUM0uJ8.5q0y5Yj3JwGm1xZzE1nqW0gkz7yK\n" // of a password that nobody needs
	must(t, os.WriteFile("/etc/ktlstop/web.yml", []byte(users), 0o600))
	m.traffic("nginx", "--listen", "127.0.0.1:443")
	awhile(t, "a server on port 443", func() bool {
		_, _, status := run(t, []string{program}, "gen", "--connect", "127.0.0.1:443", "--rounds", "1")
		return status == 0
	})
	m.traffic("curl", "--connect", "127.0.0.1:443", "--rounds", "0", "--rate", "3", "-s", "5000")
	return m
}

// traffic runs an end of ktlstop gen under another name until the test ends.
func (m *manual) traffic(name string, args ...string) {
	m.t.Helper()
	file := filepath.Join(m.dir, name)
	bin, err := os.ReadFile(program)
	must(m.t, err)
	must(m.t, os.WriteFile(file, bin, 0o755))
	start(m.t, exec.Command(file, append([]string{"gen"}, args...)...))
}

// run runs a command line until it has shown what it can, and says what was wrong.
func (m *manual) run(c readme.Command) error {
	if one := m.one[subcommand(c)]; one != nil {
		one.Lock()
		defer one.Unlock()
	}
	r, err := m.start(c)
	if err != nil {
		return err
	}
	defer r.kill()
	if !endsItself(c) {
		if err := r.see(); err != nil {
			return err
		}
		if err := r.interrupt(); err != nil {
			return err
		}
	}
	return r.wait(c)
}

// subcommand is the name of the command, "" for the dashboard.
func subcommand(c readme.Command) string {
	if len(c.Words) > 1 && !strings.HasPrefix(c.Words[1], "-") {
		return c.Words[1]
	}
	return ""
}

func has(c readme.Command, flags ...string) bool {
	return slices.ContainsFunc(c.Words, func(w string) bool {
		name, _, _ := strings.Cut(w, "=")
		return slices.Contains(flags, name)
	})
}

// screen says whether a command is the dashboard, which wants a terminal.
func screen(c readme.Command) bool { return subcommand(c) == "" && !has(c, "-o", "--output") }

// attaches says whether a command says by --ready-file when its hooks are live.
func attaches(c readme.Command) bool {
	switch subcommand(c) {
	case "", "trace", "inspect", "tap", "serve":
		return !has(c, "--read")
	case "doctor":
		return has(c, "--watch")
	}
	return false
}

// endsItself says whether a command ends by itself, and soon.
func endsItself(c readme.Command) bool {
	return !attaches(c) && !screen(c) && subcommand(c) != "gen" && subcommand(c) != "demo" || has(c, "--rounds") && !has(c, "--rate")
}

// shows says whether a command has something to show of the traffic that there is. Of what few records may match, or what
// goes to a file, nothing need come.
func shows(c readme.Command) bool {
	if has(c, "--match", "--on", "--keep", "-w", "--write", "-p", "--pid", "--cgroup", "--netns", "--cbpf", "--socket-filter", "--watch", "--on-times") {
		return false
	}
	for i, w := range c.Words {
		if w == "--comm" && c.Words[i+1] != "nginx" && c.Words[i+1] != "curl" || w == "--port" && c.Words[i+1] != "443" {
			return false
		}
	}
	return subcommand(c) != "gen" && subcommand(c) != "tap"
}

// running is a command line that runs.
type running struct {
	cmd      *exec.Cmd
	said     said
	keyboard *os.File // the other side of its terminal, nil for none
	ready    string   // the file that it makes when its hooks are live, "" for none
	wants    bool     // it has something to show
	done     chan error
}

// start gives the shell's text to the shell, as a reader does.
func (m *manual) start(c readme.Command) (*running, error) {
	r := &running{done: make(chan error, 1), wants: shows(c)}
	text := strings.TrimSpace(c.Env + " exec " + c.Text)
	if attaches(c) {
		ready, err := os.CreateTemp(m.dir, "ready")
		if err != nil {
			return nil, err
		}
		ready.Close()
		r.ready = ready.Name()
		os.Remove(r.ready)
		text += " --ready-file " + r.ready
	}
	r.cmd = exec.Command("bash", "-c", text)
	r.cmd.Dir = m.dir
	r.cmd.Env = append(os.Environ(), "PATH="+filepath.Join(m.dir, "bin")+":"+os.Getenv("PATH"), "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	if screen(c) {
		if err := r.onTerminal(); err != nil {
			return nil, err
		}
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	if r.keyboard != nil {
		r.cmd.Stdin.(*os.File).Close() // the command has it
	}
	go func() { r.done <- r.cmd.Wait() }()
	return r, nil
}

// onTerminal gives the command a terminal whose screen is kept as what it said.
func (r *running) onTerminal() error {
	master, terminal, err := pty.Open()
	if err != nil {
		return err
	}
	r.keyboard = master
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = terminal, terminal, terminal
	if err := pty.Resize(terminal, 120, 40); err != nil {
		return err
	}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			r.said.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	return nil
}

// moment is what a command gets for its first output where none need come.
const moment = 3 * time.Second

// see waits until the hooks are live and something is shown, or until a moment has passed where nothing need be.
func (r *running) see() error {
	var enough time.Time
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); time.Sleep(look) {
		select {
		case err := <-r.done:
			r.done <- err
			return nil
		default:
		}
		switch live := r.live(); {
		case live && r.said.String() != "":
			return nil
		case live && !r.wants && enough.IsZero():
			enough = time.Now().Add(moment)
		case live && !r.wants && time.Now().After(enough):
			return nil
		}
	}
	return fmt.Errorf("shows nothing within %v (live: %v): %.300q", 2*patience, r.live(), r.said.String())
}

func (r *running) live() bool {
	if r.ready == "" {
		return true
	}
	_, err := os.Stat(r.ready)
	return err == nil
}

// interrupt ends the command as a reader does: by q, or by Ctrl-C.
func (r *running) interrupt() error {
	if r.keyboard != nil {
		_, err := r.keyboard.WriteString("q")
		return err
	}
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// wrong are words of a program that was used wrongly or is broken.
var wrong = regexp.MustCompile(`(?m)^panic:|^goroutine \d|unknown (flag|command)|^Try: `)

func (r *running) wait(c readme.Command) error {
	select {
	case err := <-r.done:
		r.done <- err
	case <-time.After(2 * patience):
		return fmt.Errorf("did not end: %.300q", r.said.String())
	}
	status, said := r.cmd.ProcessState.ExitCode(), r.said.String()
	switch {
	case status != 0 && (status != 1 || subcommand(c) != "doctor") && (status != 3 || !has(c, "--max-cpu")): // 1: a finding, 3: the limit
		return fmt.Errorf("status %d: %.300q", status, said)
	case wrong.MatchString(said):
		return fmt.Errorf("says %.300q", said)
	case r.wants && len(bytes.TrimSpace([]byte(said))) == 0:
		return errors.New("shows nothing")
	}
	return nil
}

func (r *running) kill() {
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Kill()
	}
	if r.keyboard != nil {
		r.keyboard.Close()
	}
}
