package bench

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// meter counts from its creation to its close. If it opened and closed the events for
// each measurement, the kernel would patch its code each time.
type meter struct {
	syscalls, instructions *counter          // nil where absent
	absent                 map[string]string // why
}

// newMeter opens the events, unless they are not wanted.
func newMeter(perf bool) *meter {
	m := &meter{absent: map[string]string{}}
	if !perf {
		m.absent["syscalls"], m.absent["instructions"] = "not counted", "not counted"
		return m
	}
	open := func(name string, attr *unix.PerfEventAttr, err error) (c *counter) {
		if err == nil {
			c, err = newCounter(attr)
		}
		if err != nil {
			m.absent[name] = err.Error()
		}
		return c
	}
	m.instructions = open("instructions", instructionEvent(), nil)
	attr, err := syscallEvent()
	m.syscalls = open("syscalls", attr, err)
	return m
}

func (m *meter) close() {
	m.syscalls.close()
	m.instructions.close()
}

// reading has all counts at one moment.
type reading struct {
	at                     time.Time
	usage                  unix.Rusage
	syscalls, instructions uint64
}

func (m *meter) read() (r reading, err error) {
	if r.instructions, err = m.instructions.read(); err != nil {
		return r, err
	}
	r.syscalls, err = m.syscalls.read()
	r.usage = rusage()
	r.at = time.Now()
	return r, err
}

// between returns the difference of two readings.
func (m *meter) between(before, after reading) Usage {
	return Usage{
		Wall:            after.at.Sub(before.at),
		User:            time.Duration(after.usage.Utime.Nano() - before.usage.Utime.Nano()),
		System:          time.Duration(after.usage.Stime.Nano() - before.usage.Stime.Nano()),
		ContextSwitches: uint64(after.usage.Nvcsw + after.usage.Nivcsw - before.usage.Nvcsw - before.usage.Nivcsw),
		Syscalls:        m.syscalls.difference(before.syscalls, after.syscalls),
		Instructions:    m.instructions.difference(before.instructions, after.instructions),
	}
}

// rusage covers all threads of this process, which has both ends.
func rusage() (u unix.Rusage) {
	if err := unix.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(os.NewSyscallError("getrusage", err)) // it cannot fail
	}
	return u
}
