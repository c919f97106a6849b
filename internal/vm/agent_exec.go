package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/pty"
)

// A process is the command that runs in the guest, with the guest's ends of its streams.
type process struct {
	pid    int
	stdin  *os.File   // the terminal's master when tty
	output []*os.File // stdout and stderr, or the master alone
	tty    bool
	input  chan []byte // from the host; only one chunk is sent at a time, so sending never blocks
	ended  chan struct{}
}

// launch starts a command; it reports the end to the host itself. An error means that the host is
// gone or misbehaves.
func launch(l *link, request []byte) (*process, error) {
	var c Command
	if err := json.Unmarshal(request, &c); err != nil {
		return nil, err
	}
	p, err := start(c)
	if err != nil {
		return nil, l.sendJSON(kindDone, startFailure(err))
	}
	go p.feed(l)
	go p.finish(l)
	return p, nil
}

// startFailure returns a shell's exit statuses: 127 not found, 126 found but cannot be run.
func startFailure(err error) Status {
	if errors.Is(err, fs.ErrNotExist) {
		return Status{Code: 127, Err: err.Error()}
	}
	if errors.Is(err, syscall.ENOEXEC) {
		err = fmt.Errorf("%w: this guest's processor is %s; make build and make build-arm64 build for one each", err, runtime.GOARCH)
	}
	return Status{Code: 126, Err: err.Error()}
}

// handle handles a frame for the running command.
func (p *process) handle(k kind, payload []byte) error {
	switch k {
	case kindStdin:
		select {
		case p.input <- payload:
		default: // not requested
		}
	case kindSignal:
		var sig int
		if err := json.Unmarshal(payload, &sig); err != nil {
			return err
		}
		unix.Kill(-p.pid, unix.Signal(sig))
	case kindDump:
		unix.Kill(-p.pid, unix.SIGQUIT) // a Go program prints all its goroutines
		dumpKernel()
	case kindResize:
		var size winsize
		if err := json.Unmarshal(payload, &size); err != nil || !p.tty {
			return err
		}
		pty.Resize(p.stdin, size.Cols, size.Rows)
	}
	return nil
}

// dumpKernel prints the blocked tasks and the state of each CPU to the console
// (admin-guide/sysrq.rst).
func dumpKernel() {
	os.WriteFile("/proc/sys/kernel/printk", []byte("7"), 0)
	for _, request := range []string{"w", "l"} {
		os.WriteFile("/proc/sysrq-trigger", []byte(request), 0)
	}
}

// feed asks the host for input, a chunk at a time, and passes it to the command.
func (p *process) feed(l *link) {
	for {
		if l.send(kindWant, nil) != nil {
			return
		}
		select {
		case <-p.ended:
			return
		case data := <-p.input:
			if len(data) == 0 && !p.tty {
				p.stdin.Close()
				return
			}
			if _, err := p.stdin.Write(data); err != nil {
				return
			}
		}
	}
}

// finish waits for the command, kills all processes that it left running, sends its last output and
// then its status.
func (p *process) finish(l *link) {
	var copying sync.WaitGroup
	for i, f := range p.output {
		copying.Go(func() { io.Copy(frameWriter{l, []kind{kindStdout, kindStderr}[i]}, f) })
	}
	status := p.wait()
	unix.Kill(-1, unix.SIGKILL) // spares only this process; any process that was left would hold the output open
	copying.Wait()
	close(p.ended)
	p.stdin.Close()
	for _, f := range p.output {
		f.Close()
	}
	unix.Sync() // files written to shares must be there when the host learns of the end
	l.sendJSON(kindDone, status)
}

// wait collects every child until the command is among them: the first process inherits all orphans.
func (p *process) wait() Status {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return Status{Code: 125, Err: "wait4: " + err.Error()}
		case pid == p.pid && ws.Signaled():
			return Status{Signal: int(ws.Signal())}
		case pid == p.pid:
			return Status{Code: ws.ExitStatus()}
		}
	}
}

func start(c Command) (*process, error) {
	file, err := findProgram(c.Args[0], lookupEnv(c.Env, "PATH"), c.Dir)
	if err != nil {
		return nil, &fs.PathError{Op: "run", Path: c.Args[0], Err: err}
	}
	open := openPipes
	if c.TTY {
		open = openTerminal
	}
	p, theirs, err := open()
	if err != nil {
		return nil, err
	}
	defer closeAll(theirs)
	if c.TTY {
		pty.Resize(p.stdin, c.Size.Cols, c.Size.Rows)
	}
	attr := &syscall.ProcAttr{Dir: c.Dir, Env: c.Env, Sys: &syscall.SysProcAttr{Setsid: true, Setctty: c.TTY}}
	for _, f := range theirs {
		attr.Files = append(attr.Files, f.Fd())
	}
	if p.pid, err = syscall.ForkExec(file, c.Args, attr); err != nil {
		closeAll(append(p.output, p.stdin))
		return nil, &fs.PathError{Op: "run", Path: file, Err: err}
	}
	p.tty, p.input, p.ended = c.TTY, make(chan []byte, 1), make(chan struct{})
	return p, nil
}

// openPipes makes stdin, stdout and stderr of a command: our ends in a process, the command's in
// theirs.
func openPipes() (p *process, theirs []*os.File, err error) {
	var r, w [3]*os.File
	for i := range r {
		if r[i], w[i], err = os.Pipe(); err != nil {
			return nil, nil, err
		}
	}
	return &process{stdin: w[0], output: []*os.File{r[1], r[2]}}, []*os.File{r[0], w[1], w[2]}, nil
}

// openTerminal makes a pseudo-terminal.
func openTerminal() (p *process, theirs []*os.File, err error) {
	master, f, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	return &process{stdin: master, output: []*os.File{master}}, []*os.File{f, f, f}, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func lookupEnv(env []string, name string) string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
