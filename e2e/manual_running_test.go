package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/ktlstop/ktlstop/internal/pty"
	"github.com/ktlstop/ktlstop/internal/readme"
)

// running is a running command line.
type running struct {
	cmd      *exec.Cmd
	said     said
	keyboard *os.File       // the other side of its terminal, nil for none
	ready    string         // the file that it makes when its hooks are live, "" for none
	wants    *regexp.Regexp // its required output, nil for none
	done     chan error
}

// start passes the text to the shell, as a reader does.
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

// onTerminal gives the command a terminal whose screen is kept as its output.
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

// moment is how long a command runs if no output is required.
const moment = 3 * time.Second

// see waits until the hooks are attached and the required output appears, or until a moment has
// passed without one.
func (r *running) see() error {
	var enough time.Time
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); time.Sleep(pictureInterval) {
		select {
		case err := <-r.done:
			r.done <- err
			return nil
		default:
		}
		switch live := r.live(); {
		case live && r.wants != nil && r.wants.MatchString(r.said.String()):
			return nil
		case live && r.wants == nil && enough.IsZero():
			enough = time.Now().Add(moment)
		case live && r.wants == nil && time.Now().After(enough):
			return nil
		}
	}
	return fmt.Errorf("no %v within %v (live: %v): %.300q", r.wants, 2*patience, r.live(), r.said.String())
}

func (r *running) live() bool {
	if r.ready == "" {
		return true
	}
	_, err := os.Stat(r.ready)
	return err == nil
}

// interrupt ends the command as a reader does: with q, or with Ctrl-C.
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

// wrong are words in the output of a program that was used wrongly or is broken.
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
	case r.wants != nil && !r.wants.MatchString(said):
		return fmt.Errorf("no %v in %.300q", r.wants, said)
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
