package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pictureInterval is the interval at which pictures are read.
const pictureInterval = 50 * time.Millisecond

// pane is a shell in a tmux of its own, with a screen to look at.
type pane struct {
	t      *testing.T
	socket string
	dir    string
	in     io.Writer // of a client in control mode (tmux(1), CONTROL MODE)
	out    *bufio.Scanner
}

func openPane(t *testing.T) *pane {
	t.Helper()
	need(t, "tmux")
	dir := t.TempDir()
	p := &pane{t: t, socket: filepath.Join(dir, "tmux"), dir: dir}
	open := p.command("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "env", "TERM=screen-256color", "LC_ALL=C.UTF-8", "PS1=$ ", "sh")
	if out, err := open.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = p.command("kill-server").Run() })
	client := p.command("-C", "attach", "-f", "no-output,ignore-size")
	in, err := client.StdinPipe()
	must(t, err)
	out, err := client.StdoutPipe()
	must(t, err)
	start(t, client)
	p.in, p.out = in, bufio.NewScanner(out)
	p.reply("attach")
	return p
}

func (p *pane) command(args ...string) *exec.Cmd {
	cmd := exec.Command("tmux", append([]string{"-S", p.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TMUX=")
	return cmd
}

var quote = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`)

// tmux passes a command to the client, which costs much less than a process.
func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	line := args[0]
	for _, a := range args[1:] {
		line += ` "` + quote.Replace(a) + `"`
	}
	_, err := io.WriteString(p.in, line+"\n")
	must(p.t, err)
	return p.reply(line)
}

// reply is the text between %begin and %end.
func (p *pane) reply(command string) string {
	p.t.Helper()
	var text strings.Builder
	for inside := false; p.out.Scan(); {
		switch l := p.out.Text(); {
		case strings.HasPrefix(l, "%begin "):
			inside = true
		case strings.HasPrefix(l, "%end ") && inside:
			return text.String()
		case strings.HasPrefix(l, "%error ") && inside:
			p.t.Fatalf("tmux %s: %s", command, &text)
		case inside:
			text.WriteString(l + "\n")
		}
	}
	p.t.Fatalf("tmux %s: no reply: %v", command, p.out.Err())
	return ""
}

// keys presses keys, as tmux names them.
func (p *pane) keys(keys ...string) {
	p.t.Helper()
	p.tmux(append([]string{"send-keys"}, keys...)...)
}

// shell types a line into the shell.
func (p *pane) shell(line string) { p.t.Helper(); p.tmux("send-keys", "-l", line); p.keys("Enter") }

func (p *pane) screen() string { p.t.Helper(); return p.tmux("capture-pane", "-p") }

// shows waits until all the words are on the screen, and returns it.
func (p *pane) shows(words ...string) string {
	p.t.Helper()
	return p.until(strings.Join(words, ", "), func(screen string) bool {
		for _, w := range words {
			if !strings.Contains(screen, w) {
				return false
			}
		}
		return true
	})
}

func (p *pane) until(what string, ok func(screen string) bool) string {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(pictureInterval) {
		screen := p.screen()
		if ok(screen) {
			return screen
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("no %s on the screen:\n%s", what, screen)
		}
	}
}

// state is the terminal's settings, whether the alternate screen is on, and
// whether the cursor is shown.
func (p *pane) state() string {
	p.t.Helper()
	tty := strings.TrimSpace(p.tmux("display-message", "-p", "#{pane_tty}"))
	out, err := exec.Command("stty", "-a", "-F", tty).CombinedOutput()
	if err != nil {
		p.t.Fatalf("stty: %v: %s", err, out)
	}
	_, settings, _ := strings.Cut(string(out), "\n") // the first line has the size
	return settings + p.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}")
}

// run starts a program in the shell and returns a function that waits for its end,
// which must have a status, and leave the terminal as it was.
func (p *pane) run(line string) (ended func(status int)) {
	p.t.Helper()
	p.shows("$")
	before := p.state()
	p.shell("clear; " + line + `; echo "status" $?.`)
	return func(status int) {
		p.t.Helper()
		screen := p.shows("status")
		if want := fmt.Sprintf("status %d.", status); !strings.Contains(screen, want) {
			p.t.Errorf("want %s:\n%s", want, screen)
		}
		after := ""
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pictureInterval) {
			// The shell sets the terminal for its own line editing, before and after.
			if after = p.state(); after == before {
				return
			}
		}
		p.t.Errorf("the terminal was\n%s and is\n%s", before, after)
	}
}

func absProgram(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(program)
	must(t, err)
	return path
}

// TestDashboard drives the dashboard in a real terminal, with real traffic.
func TestDashboard(t *testing.T) {
	onOneKernel(t)
	stop := keepTalking(t)
	defer stop()
	p := openPane(t)
	ended := p.run("cd " + p.dir + "; " + absProgram(t) + " -d 250ms")
	browse(t, p)
	resize(p)
	written(t, p)
	p.keys("q")
	ended(0)
}

// browse goes through the views.
func browse(t *testing.T, p *pane) {
	t.Helper()
	screen := p.until("row of ktlstop gen", func(s string) bool {
		return strings.Contains(s, "[1 connections]") && strings.Contains(s, "127.0.0.1:") && !strings.Contains(s, " 0 rec/s")
	})
	for _, want := range []string{"PROCESS", "REC/S", "lost 0", "conn (", "AES-GCM"} {
		if want != "AES-GCM" && !strings.Contains(screen, want) {
			t.Errorf("%q is missing:\n%s", want, screen)
		}
	}
	p.keys("2")
	p.shows("[2 processes]", "CONNS", "> ktlstop")
	p.keys("c")
	p.shows("by cgroup")
	p.keys("3")
	p.shows("[3 records]", "data", "127.0.0.1")
	p.keys("4")
	p.shows("[4 events]", "KIND")
	p.keys("5")
	p.shows("[5 run]", "attached  bpf_exec_tx_verdict", "none: no application data")
	p.keys("1")
	p.shows("[1 connections]")
	p.keys("Enter")
	p.shows("TLS 1.3 AES-GCM-128 sw", "encrypt", "latency of records", "p50")
	p.keys("x")
	p.shows("no plaintext")
	p.keys("Escape")
	p.shows("[1 connections]", "REC/S")
	p.keys("?")
	p.shows("look closer", "write a snapshot")
	p.keys("Escape")
	p.shows("REC/S")
	sortAndFilter(p)
	p.keys("p")
	p.shows("PAUSED")
	p.keys("Space")
	p.until("end of the pause", func(s string) bool { return !strings.Contains(s, "PAUSED") })
}

func sortAndFilter(p *pane) {
	p.t.Helper()
	p.keys("s")
	p.shows("sort by")
	p.keys("g", "Enter")
	p.shows("PROCESS▲")
	p.keys("S")
	p.shows("PROCESS▼")
	p.keys("/")
	p.tmux("send-keys", "-l", "comm==nobody")
	p.keys("Enter")
	p.shows("nothing matches")
	p.keys("Escape")
	p.shows("> ktlstop")
}

// resize goes through sizes; the screen never has too many lines, and shows the most
// important ones at each size.
func resize(p *pane) {
	p.t.Helper()
	for _, size := range [][2]int{{400, 120}, {80, 24}, {20, 5}, {1, 1}, {120, 40}} {
		p.tmux("resize-window", "-x", strconv.Itoa(size[0]), "-y", strconv.Itoa(size[1]))
		p.until(fmt.Sprintf("picture of %dx%d", size[0], size[1]), func(s string) bool {
			switch {
			case size[0] < 20:
				return true
			case size[0] == 20:
				return strings.Contains(s, "> ktlstop") && strings.Contains(s, "lost 0")
			}
			return strings.Contains(s, "> ktlstop") && strings.Contains(s, "lost 0") && strings.Contains(s, "q quit") &&
				strings.Contains(s, "KEY%") == (size[0] == 400)
		})
	}
}

// written requests a snapshot.
func written(t *testing.T, p *pane) {
	t.Helper()
	p.keys("w")
	p.shows("wrote ktlstop-")
	files, err := filepath.Glob(filepath.Join(p.dir, "ktlstop-*.json"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("snapshots %q", files)
	}
	b, err := os.ReadFile(files[0])
	must(t, err)
	if st, err := os.Stat(files[0]); err != nil || st.Mode().Perm() != 0o600 || !strings.Contains(string(b), `"AES-GCM-128"`) {
		t.Errorf("%v, %v: %.500s", st.Mode(), err, b)
	}
}

// TestDashboardEnds ends it from outside, once on a full disk: the terminal is as
// before, and nothing is left attached or half written.
func TestDashboardEnds(t *testing.T) {
	onOneKernel(t)
	full := filepath.Dir(fullDisk(t))
	p := openPane(t)
	for signal, dir := range map[string]string{"TERM": "/", "HUP": full} {
		pid := filepath.Join(p.dir, "pid"+signal)
		ended := p.run("cd " + dir + "; sh -c 'echo $$ >" + pid + "; exec " + absProgram(t) + "'")
		p.shows("Waiting for kernel-TLS traffic", "ssl_conf_command")
		if dir == full {
			p.keys("w")
			p.shows("no space left")
		}
		b, err := os.ReadFile(pid)
		must(t, err)
		must(t, exec.Command("kill", "-"+signal, strings.TrimSpace(string(b))).Run())
		ended(0)
		p.shell("cd /")
	}
	if files, _ := filepath.Glob(filepath.Join(full, "*.json")); len(files) != 0 {
		t.Errorf("left behind: %q", files)
	}
	if n := tlsReferences(t); n != "0" {
		t.Errorf("the module tls still has %s users", n)
	}
}

// TestDashboardReplays: a recording of real traffic can be viewed later, without
// rights.
func TestDashboardReplays(t *testing.T) {
	onOneKernel(t)
	tr := startTracer(t)
	stop := keepTalking(t)
	tr.waitFor(func() bool {
		b, err := os.ReadFile(tr.file)
		return err == nil && strings.Count(string(b), `"type":"record"`) > 20
	})
	stop()
	recorded := tr.stop()
	must(t, os.Chmod(tr.file, 0o644))
	for dir := filepath.Dir(tr.file); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	text, stderr, status := ktlstop(t, "trace", "--read", tr.file)
	if want := len(recorded.ofType("record")); status != 0 || strings.Count(text, " data ") != want {
		t.Errorf("status %d, %s: want %d records:\n%s", status, stderr, want, text)
	}
	again, _, _ := ktlstop(t, "trace", "--read", tr.file, "-o", "json")
	b, err := os.ReadFile(tr.file)
	must(t, err)
	if again != string(b) {
		t.Error("the recording is not what it was when read and written again")
	}
	p := openPane(t)
	ended := p.run("setpriv --reuid 65534 --clear-groups " + absProgram(t) + " --read " + tr.file + " --speed 0")
	p.shows("[1 connections]", ">xktlstop", "lost 0")
	p.keys("Enter")
	p.shows("latency of records", "last records")
	p.keys("5")
	p.shows("recording " + tr.file)
	p.keys("q")
	ended(0)
}
