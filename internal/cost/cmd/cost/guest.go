package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/cost"
	"github.com/ktlstop/ktlstop/internal/cost/probe"
)

// allowSockets raises the limit of descriptors for 10,000 connections.
func allowSockets() error {
	limit := unix.Rlimit{Cur: 65536, Max: 65536}
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
}

// doLoad works on one thread without the garbage collector, so that it measures the
// kernel.
func doLoad(l cost.Load) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	if err := allowSockets(); err != nil {
		return err
	}
	c, err := l.Measure()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

// measurement has the results of one guest.
type measurement struct {
	program, against, out string
	others, tables        bool

	runner cost.Runner
	report cost.Report
}

func (m *measurement) run() error {
	if err := m.prepare(); err != nil {
		return err
	}
	measure := m.modes
	if m.tables {
		measure = m.allLoads
	}
	if err := measure(); err != nil {
		return err
	}
	return write(m.out, m.report)
}

func (m *measurement) prepare() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Without udev nothing else loads the modules that make AES fast.
	if out, err := exec.Command("modprobe", "-a", "tls", "aesni_intel").CombinedOutput(); err != nil {
		return fmt.Errorf("modprobe: %w: %s", err, out)
	}
	binary, err := os.Stat(m.program)
	if err != nil {
		return err
	}
	m.report = cost.Report{Kernel: kernel(), Emulator: "QEMU -icount shift=0,sleep=off", Binary: binary.Size()}
	m.runner.Self, m.runner.Readers = self, m.tables
	m.runner.Progress = func(r cost.Result) {
		fmt.Fprintf(os.Stderr, "%s %-26s %-36v %6.0f + %6.0f\n", m.report.Series(), r.Tool, r.Load, r.Cost.Send, r.Cost.Recv)
	}
	if m.report.Read, err = probe.ReadKernel(cost.Whole.Size); err != nil || m.against == "" {
		return err
	}
	was, err := readCommitted(m.against)
	if err != nil {
		return err
	}
	of := was.Modes[m.report.Series()]
	m.runner.Enough = m.report.Enough(cost.Modes(m.program), &of)
	return nil
}

// modes measures the untraced twins before and after all others: the kernel takes
// different paths for them too.
func (m *measurement) modes() error {
	modes := cost.Modes(m.program)
	var others []cost.Mode
	if m.others {
		script, err := cost.WriteScript(os.TempDir())
		if err != nil {
			return err
		}
		others = cost.Others(script)
	}
	if err := m.untraced(); err != nil {
		return err
	}
	for _, mode := range modes {
		if err := m.add(&mode.Tool, mode.Load); err != nil {
			return err
		}
	}
	for _, mode := range others {
		if err := m.add(&mode.Tool, mode.Load); err != nil {
			m.report.NotRun(mode.Name, err)
		}
	}
	return m.untraced()
}

func (m *measurement) untraced() error {
	return m.add(&cost.Tool{Name: cost.Untraced}, cost.Small, cost.Whole)
}

func (m *measurement) add(tool *cost.Tool, loads ...cost.Load) error {
	results, err := m.runner.Measure(tool, loads...)
	m.report.Add(results...)
	return err
}

// allLoads starts each tool once for the sizes, and the first tool again for each
// crowd, to show the tool's memory.
func (m *measurement) allLoads() error {
	script, err := cost.WriteScript(os.TempDir())
	if err != nil {
		return err
	}
	tools := []cost.Tool{{Name: cost.Untraced}}
	for _, mode := range cost.Modes(m.program) {
		tools = append(tools, mode.Tool)
	}
	tools = append(tools, cost.MoreTools(m.program)...)
	for _, mode := range cost.Others(script) {
		tools = append(tools, mode.Tool)
	}
	for _, tool := range append(tools, cost.Strace) {
		if err := m.add(&tool, cost.Sizes...); err != nil {
			return err
		}
	}
	m.runner.Starts = 1
	for _, load := range cost.Crowds {
		for _, tool := range tools[:3] { // untraced, the dashboard, events
			tool.Counts = false // a snapshot of so many connections is long
			if err := m.add(&tool, load); err != nil {
				return err
			}
		}
	}
	return nil
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return "Linux " + unix.ByteSliceToString(u.Release[:])
}
