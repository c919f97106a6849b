package bench

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// meter knows which figures this machine gives.
type meter struct {
	syscalls, instructions     *unix.PerfEventAttr // nil where absent
	noSyscalls, noInstructions error
}

func newMeter() *meter {
	m := &meter{}
	m.syscalls, m.noSyscalls = tried(syscallEvent())
	m.instructions, m.noInstructions = tried(instructionEvent(), nil)
	return m
}

// absent explains what is missing.
func (m *meter) absent() map[string]string {
	why := map[string]string{}
	for name, err := range map[string]error{"syscalls": m.noSyscalls, "instructions": m.noInstructions} {
		if err != nil {
			why[name] = err.Error()
		}
	}
	return why
}

// measurement is one that has begun.
type measurement struct {
	start                  time.Time
	before                 unix.Rusage
	syscalls, instructions *counter
}

func (m *meter) begin() (*measurement, error) {
	var c measurement
	var err error
	if c.syscalls, err = newCounter(m.syscalls); err != nil {
		return nil, err
	}
	if c.instructions, err = newCounter(m.instructions); err != nil {
		c.syscalls.close()
		return nil, err
	}
	if err := errors.Join(c.instructions.begin(), c.syscalls.begin()); err != nil {
		c.close()
		return nil, err
	}
	c.before = rusage()
	c.start = time.Now()
	return &c, nil
}

func (c *measurement) close() {
	c.syscalls.close()
	c.instructions.close()
}

func (c *measurement) end() Usage {
	wall := time.Since(c.start)
	after := rusage()
	return Usage{
		Wall:            wall,
		User:            time.Duration(after.Utime.Nano() - c.before.Utime.Nano()),
		System:          time.Duration(after.Stime.Nano() - c.before.Stime.Nano()),
		ContextSwitches: uint64(after.Nvcsw + after.Nivcsw - c.before.Nvcsw - c.before.Nivcsw),
		Syscalls:        c.syscalls.end(),
		Instructions:    c.instructions.end(),
	}
}

// rusage is of all threads of this process, which holds both ends.
func rusage() (u unix.Rusage) {
	if err := unix.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(os.NewSyscallError("getrusage", err)) // it has no way to fail
	}
	return u
}
