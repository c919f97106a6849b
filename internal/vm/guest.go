package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// consoleLines is how many lines of a failed guest's console are in the error.
const consoleLines = 60

// bootLimit is far beyond what a boot takes on a busy machine.
const bootLimit = 3 * time.Minute

// dumpTime is how long a guest whose time is up may report where it hangs.
const dumpTime = 5 * time.Second

// A Config describes the machine to boot.
type Config struct {
	Kernel  *Kernel
	SMP     int       // processors; 0 means 2
	MemMB   int       // 0 means 2048
	Icount  bool      // one processor, one nanosecond of guest time for each instruction
	Append  string    // more parameters for the kernel
	Shares  []string  // absolute paths of host directories the guest may write to
	Carry   []string  // absolute paths of the host's files that a guest without 9p gets; folders without their contents
	Console io.Writer // gets the whole console, which then has all messages; may be nil
	files   files     // what the guest's files are made of
}

// A Guest is a booted kernel that waits for commands.
type Guest struct {
	kernel  *Kernel
	machine *machine
	link    *link
	console *tail
	killed  atomic.Bool
	warned  bool        // the kernel has warned, and that was reported
	limit   func() bool // releases what kills the guest when its context ends
	ctx     context.Context
	Booted  time.Duration // time until a command could be run
}

// Boot starts a guest. When ctx ends, the guest does. The caller must call Close.
func Boot(ctx context.Context, c Config) (*Guest, error) {
	if err := needPrograms(ctx, c.Kernel.arch().programs()); err != nil {
		return nil, err
	}
	root, err := rootFor(ctx, c.Kernel.arch())
	if err != nil {
		return nil, err
	}
	if c.files, err = filesOf(root, c.Kernel.arch()); err != nil {
		return nil, err
	}
	c.SMP, c.MemMB = max(c.SMP, 0), max(c.MemMB, 0)
	if c.SMP == 0 {
		c.SMP = 2
	}
	if c.MemMB == 0 {
		c.MemMB = 2048
	}
	if kvmUsable(c.Kernel.arch()) && !c.Icount {
		g, err := boot(ctx, c, true)
		if err == nil || ctx.Err() != nil {
			return g, err
		}
		progressf("KVM does not run %s; using emulation until the next reboot", c.Kernel.Release)
		rejectKVM()
	}
	return boot(ctx, c, false)
}

func boot(ctx context.Context, c Config, kvm bool) (*Guest, error) {
	begin := time.Now()
	console := &tail{also: c.Console}
	m, err := startMachine(ctx, c, kvm, console)
	if err != nil {
		return nil, err
	}
	g := &Guest{kernel: c.Kernel, machine: m, link: &link{rw: m.control}, console: console, ctx: ctx}
	g.limit = context.AfterFunc(ctx, g.expire)
	m.control.SetDeadline(begin.Add(bootTime(kvm)))
	if err := g.setUp(c); err != nil {
		g.Close()
		return nil, g.failure("boot", err)
	}
	m.control.SetDeadline(time.Time{})
	g.Booted = time.Since(begin)
	return g, nil
}

// setUp sends the guest its file systems and waits until it is ready.
func (g *Guest) setUp(c Config) error {
	err := g.link.sendJSON(kindSetup, setup{c.Kernel.Modules(), c.Kernel.Release, c.files.layers, c.Shares, true})
	if err != nil {
		return err
	}
	k, payload, err := g.link.receive()
	if err == nil && k != kindReady {
		err = errors.New(string(payload))
	}
	return err
}

// expire ends the guest when its context ends. If the time is up, the guest first reports where it
// hangs.
func (g *Guest) expire() {
	if g.ctx.Err() == context.DeadlineExceeded && g.Booted > 0 {
		g.machine.control.SetWriteDeadline(time.Now().Add(dumpTime))
		g.link.send(kindDump, nil)
		select {
		case <-g.machine.exited:
		case <-time.After(dumpTime):
		}
	}
	g.machine.kill()
}

// Close ends the guest. Its writes to shares are on the host when the writing command has ended.
func (g *Guest) Close() {
	g.limit()
	g.machine.kill()
	g.machine.control.Close()
}

// failure explains why the guest no longer answers, with the end of its console.
func (g *Guest) failure(doing string, err error) error {
	if g.killed.Load() {
		return errors.New("ended by a second signal")
	}
	if cause := context.Cause(g.ctx); cause != nil {
		err = cause
	} else if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		err = errors.New("the guest died")
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errors.New("the guest does not come up")
	}
	lockup := g.console.lockup()
	if lockup != "" {
		lockup = "--- its last soft lockup ---\n" + lockup + "\n"
	}
	return fmt.Errorf("kernel %s: %s: %w\n%s--- end of its console ---\n%s\n---", g.kernel.Release, doing, err, lockup, g.console.lines(consoleLines))
}

// Streams are a command's input and output on the host. A nil Stdin is empty.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Resize         <-chan winsize
	Signals        <-chan os.Signal // passed on to the command; the second one ends the guest
}

// Run runs one command in the guest to its end. An error means that the guest is gone.
func (g *Guest) Run(c Command, s Streams) (Status, error) {
	if err := g.link.sendJSON(kindExec, c); err != nil {
		return Status{}, g.failure("start a command", err)
	}
	ended := make(chan struct{})
	defer close(ended)
	go g.forward(s, ended)
	want := make(chan struct{}, 1)
	go g.pump(s.Stdin, want, ended)
	status, err := g.follow(s, want)
	if err == nil {
		err = g.ctx.Err() // the command ended because its time was up
	}
	if err != nil {
		return status, g.failure("run "+c.Args[0], err)
	}
	return status, nil
}

// follow copies the command's output until its status comes.
func (g *Guest) follow(s Streams, want chan<- struct{}) (Status, error) {
	for {
		k, payload, err := g.link.receive()
		if err != nil {
			return Status{}, err
		}
		switch k {
		case kindStdout:
			_, err = s.Stdout.Write(payload)
		case kindStderr:
			_, err = s.Stderr.Write(payload)
		case kindWant:
			want <- struct{}{}
		case kindDone:
			var status Status
			return status, json.Unmarshal(payload, &status)
		}
		if err != nil {
			return Status{}, err
		}
	}
}

// pump sends input, a chunk whenever the guest asks for one, so that unread input never blocks a
// signal.
func (g *Guest) pump(input io.Reader, want, ended <-chan struct{}) {
	buf := make([]byte, chunk)
	for {
		select {
		case <-want:
		case <-ended:
			return
		}
		n, err := 0, io.EOF
		if input != nil {
			n, err = input.Read(buf)
		}
		if n > 0 && g.link.send(kindStdin, buf[:n]) != nil {
			return
		}
		if n == 0 && err != nil {
			g.link.send(kindStdin, nil)
			return
		}
	}
}

// forward passes on changes of the window's size, and signals. A second signal ends the guest at once.
func (g *Guest) forward(s Streams, ended <-chan struct{}) {
	signals := 0
	for {
		select {
		case size := <-s.Resize:
			g.link.sendJSON(kindResize, size)
		case sig := <-s.Signals:
			if signals++; signals > 1 {
				g.killed.Store(true)
				g.machine.kill()
				return
			}
			if n, ok := sig.(syscall.Signal); ok {
				g.link.sendJSON(kindSignal, int(n))
			}
		case <-ended:
			return
		}
	}
}

// watchSignals returns the signals that ask a program to end, until stop is called.
func watchSignals() (signals chan os.Signal, stop func()) {
	signals = make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}
