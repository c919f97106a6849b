package cost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ktlstop/ktlstop/internal/pty"
)

// Tool is a program that watches the work.
type Tool struct {
	Name string
	// Args is its command line; READY in it stands for a file that the tool creates
	// when it watches.
	Args []string
	// ReadyText is the text that it prints when it watches, if it creates no file.
	ReadyText string
	// Screen says that it draws on a terminal, and watches when it has drawn Says.
	Screen bool
	// Wraps says that the work is a child of the tool, which then cannot be stopped.
	Wraps bool
	// Counts says that its last line is ktlstop's summary or snapshot in JSON, and
	// Refuses that this must have no records.
	Counts, Refuses bool
}

// startLimit limits how long a tool may take until it watches; one that compiles takes
// long under emulation.
const startLimit = 3 * time.Minute

// running is a Tool that runs.
type running struct {
	tool    *Tool
	cmd     *exec.Cmd
	ready   string
	text    tail
	done    chan struct{}
	startup time.Duration // until it watched
	sent    int           // records of the work while it ran
}

// start returns when the tool watches.
func (t *Tool) start() (*running, error) {
	dir, err := os.MkdirTemp("", "cost")
	if err != nil {
		return nil, err
	}
	r := &running{tool: t, ready: filepath.Join(dir, "ready"), done: make(chan struct{})}
	args := make([]string, len(t.Args))
	for i, a := range t.Args {
		args[i] = strings.ReplaceAll(a, "READY", r.ready)
	}
	r.cmd = exec.Command(args[0], args[1:]...)
	r.cmd.Stdout, r.cmd.Stderr = &r.text, &r.text
	if t.Screen {
		terminal, err := r.screen()
		if err != nil {
			return nil, fmt.Errorf("open a terminal: %w", err)
		}
		defer terminal.Close()
	}
	begin := time.Now()
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", t.Name, err)
	}
	go func() { r.cmd.Wait(); close(r.done) }()
	if err := r.await(t.ReadyText); err != nil {
		r.stop()
		return nil, fmt.Errorf("%w: %s", err, r.text.String())
	}
	r.startup = time.Since(begin)
	return r, nil
}

// screen gives the tool a terminal, and keeps its output. Reading ends when the tool
// ends.
func (r *running) screen() (*os.File, error) {
	master, terminal, err := pty.Open()
	if err != nil {
		return nil, err
	}
	if err := pty.Resize(master, 160, 45); err != nil {
		return nil, errors.Join(err, master.Close(), terminal.Close())
	}
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = terminal, terminal, terminal
	// A terminal whose colours are not queried, since nobody would answer.
	r.cmd.Env = append(os.Environ(), "TERM=screen", "NO_COLOR=1")
	go func() {
		io.Copy(&r.text, master)
		master.Close()
	}()
	return terminal, nil
}

func (r *running) await(says string) error {
	deadline := time.After(startLimit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if says != "" && strings.Contains(r.text.String(), says) {
			return nil
		}
		if _, err := os.Stat(r.ready); says == "" && err == nil {
			return nil
		}
		select {
		case <-r.done:
			return errors.New("it ended")
		case <-deadline:
			return fmt.Errorf("it does not watch within %v", startLimit)
		case <-tick.C:
		}
	}
}

// pause stops the tool's own work, while the programs that it attached keep running.
func (r *running) pause() error { return r.cmd.Process.Signal(syscall.SIGSTOP) }

func (r *running) resume() error { return r.cmd.Process.Signal(syscall.SIGCONT) }

// runTime is the processor time of the tool's threads, in nanoseconds
// (/proc/PID/task/TID/schedstat).
func (r *running) runTime() (float64, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", r.cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		return 0, errors.Join(err, errors.New("no schedstat of the tool"))
	}
	var sum float64
	for _, name := range threads {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		n, err := strconv.ParseFloat(strings.Fields(string(b))[0], 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		sum += n
	}
	return sum, nil
}

// drainTime is the longest time that a reader needs to read its buffers.
const drainTime = 300 * time.Millisecond

// rest waits until the tool has read its buffers: until it sleeps most of the time. It
// returns how often it waited.
func (r *running) rest() (times int, err error) {
	before, err := r.runTime()
	for err == nil {
		time.Sleep(drainTime)
		times++
		var now float64
		if now, err = r.runTime(); now-before < float64(drainTime/10) {
			break
		}
		before = now
	}
	return times, err
}

// peakRSS is the highest resident memory of the process, in bytes.
func (r *running) peakRSS() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	line, _, _ := strings.Cut(rest, "kB")
	kb, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return kb << 10, err
}

// stop ends the tool like Ctrl-C, and by force if that does not help.
func (r *running) stop() {
	r.cmd.Process.Signal(os.Interrupt)
	select {
	case <-r.done:
	case <-time.After(startLimit):
		r.cmd.Process.Kill()
		<-r.done
	}
	os.RemoveAll(filepath.Dir(r.ready))
}

// sawAll compares the tool's counts with the records sent. Records that it lost or did
// not see cost nothing, so its figures would be too low.
func (r *running) sawAll() error {
	if !r.tool.Counts {
		return nil
	}
	sum, err := readSummary(r.text.String())
	if err != nil {
		return fmt.Errorf("%s: %w", r.tool.Name, err)
	}
	want := counts{r.sent, r.sent}
	if r.tool.Refuses {
		want = counts{}
	}
	if sum.counts != want || sum.lost != 0 {
		return fmt.Errorf("%s: it saw %+v records and lost %d, sent were %+v", r.tool.Name, sum.counts, sum.lost, want)
	}
	return nil
}

// summary has the fields of ktlstop's summary.
type summary struct {
	counts
	lost int
}

// counts are numbers of records.
type counts struct {
	TX int `json:"tx"`
	RX int `json:"rx"`
}

// readSummary reads the last line that ktlstop printed: a summary, or the last snapshot
// of the dashboard.
func readSummary(text string) (s summary, err error) {
	text = strings.TrimSpace(text)
	line := text[strings.LastIndexByte(text, '\n')+1:]
	type direction struct{ Records int }
	var last struct {
		Type    string
		Records counts
		TX, RX  direction
		Lost    int `json:"lost_total"`
	}
	if err := json.Unmarshal([]byte(line), &last); err != nil {
		return s, fmt.Errorf("it ended without a summary: %w: %.200q", err, line)
	}
	switch last.Type {
	case "summary":
		return summary{last.Records, last.Lost}, nil
	case "snapshot":
		return summary{counts{last.TX.Records, last.RX.Records}, last.Lost}, nil
	}
	return s, fmt.Errorf("it ended without a summary: %.200q", line)
}

// tail keeps the end of its input.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

// tailSize is enough for a picture of the dashboard, and for a snapshot of some
// connections.
const tailSize = 1 << 20

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*tailSize { // only sometimes, since it moves all
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
