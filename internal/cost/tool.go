package cost

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ktlstop/ktlstop/internal/pty"
)

// Tool is something that watches the work.
type Tool struct {
	Name string
	// Args is its command line; READY in it stands for a file that the tool
	// makes when it watches.
	Args []string
	// Says is what it prints when it watches, if it makes no file.
	Says string
	// Screen says that it draws on a terminal, and watches when it has drawn Says.
	Screen bool
	// Wraps says that the work is a child of the tool, which cannot be stopped.
	Wraps bool
}

// startLimit bounds how long a tool may take to watch; one that compiles takes
// long under emulation.
const startLimit = 3 * time.Minute

// running is a Tool at work.
type running struct {
	cmd   *exec.Cmd
	ready string
	said  *os.File
	done  chan struct{}
	took  time.Duration // until it watched
}

// start returns when the tool watches.
func (t *Tool) start() (*running, error) {
	dir, err := os.MkdirTemp("", "cost")
	if err != nil {
		return nil, err
	}
	r := &running{ready: filepath.Join(dir, "ready"), done: make(chan struct{})}
	args := make([]string, len(t.Args))
	for i, a := range t.Args {
		args[i] = strings.ReplaceAll(a, "READY", r.ready)
	}
	if r.said, err = os.Create(filepath.Join(dir, "said")); err != nil {
		return nil, err
	}
	r.cmd = exec.Command(args[0], args[1:]...)
	r.cmd.Stdout, r.cmd.Stderr = r.said, r.said
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
	if err := r.await(t.Says); err != nil {
		r.stop()
		return nil, fmt.Errorf("%s: %w: %s", t.Name, err, r.words())
	}
	r.took = time.Since(begin)
	return r, nil
}

// screen gives the tool a terminal, and keeps what it draws. The end of the tool
// is the end of the reading.
func (r *running) screen() (*os.File, error) {
	master, terminal, err := pty.Open()
	if err != nil {
		return nil, err
	}
	if err := pty.Resize(master, 160, 45); err != nil {
		return nil, errors.Join(err, master.Close(), terminal.Close())
	}
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = terminal, terminal, terminal
	// One whose colours are not asked for, since nobody would answer.
	r.cmd.Env = append(os.Environ(), "TERM=screen", "NO_COLOR=1")
	go func() {
		io.Copy(r.said, master)
		master.Close()
	}()
	return terminal, nil
}

func (r *running) await(says string) error {
	deadline := time.After(startLimit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if says != "" && strings.Contains(r.words(), says) {
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

// words is what the tool has printed.
func (r *running) words() string {
	b, _ := os.ReadFile(r.said.Name()) // no words are no harm
	return string(b)
}

// pause stops the tool's own work, and lets the programs it attached go on.
func (r *running) pause() error { return r.cmd.Process.Signal(syscall.SIGSTOP) }

func (r *running) resume() error { return r.cmd.Process.Signal(syscall.SIGCONT) }

// runTime is the time that the tool's threads have spent on a processor, in
// nanoseconds (/proc/PID/task/TID/schedstat).
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

// peakRSS is the most memory that the process has had resident, in bytes.
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

// stop ends the tool as Ctrl-C does, by force where that does not help.
func (r *running) stop() {
	r.cmd.Process.Signal(os.Interrupt)
	select {
	case <-r.done:
	case <-time.After(startLimit):
		r.cmd.Process.Kill()
		<-r.done
	}
	r.said.Close()
	os.RemoveAll(filepath.Dir(r.ready))
}
