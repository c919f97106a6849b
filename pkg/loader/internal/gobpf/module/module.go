//go:build gobpf

// Package module loads BPF programs with github.com/iovisor/gobpf into kernels without
// type information: it relocates them with known offsets of such a kernel, writes the
// object that gobpf reads, attaches them as kprobes, and gives access to their maps. It
// does not know what the programs do.
package module

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/iovisor/gobpf/elf"
	"golang.org/x/sys/unix"
)

// verifierLog is the size of the kernel's log about one program. gobpf always requests
// the log, and a program whose log does not fit is not loaded.
const verifierLog = 128 << 20

// Kretprobes need an object for each call in progress. A reader waits in the traced
// function itself.
const (
	maxActive       = 512
	maxActiveReader = 4096 // the kernel's limit
)

var readers = []string{"tls_sw_recvmsg", "tls_sw_splice_read", "tls_sw_read_sock"}

// Module is a set of programs that gobpf has loaded.
type Module struct {
	*elf.Module
	sizes map[string][2]int // key and value, by map
}

// Load relocates and loads a set of programs. The settings are values of
// enum setting of bpf/gobpf/settings.h, the parameters are of gobpf's sections.
func Load(spec *ebpf.CollectionSpec, l *Offsets, settings map[string]uint64, params map[string]elf.SectionParams) (*Module, error) {
	types, err := l.types(spec.Types, settings)
	if err != nil {
		return nil, err
	}
	m := &Module{sizes: map[string][2]int{}}
	for _, p := range spec.Programs {
		if err := relocate(p, types); err != nil {
			return nil, err
		}
	}
	for name, s := range spec.Maps {
		m.sizes[name] = [2]int{int(s.KeySize), int(s.ValueSize)}
	}
	object, err := writeObject(spec)
	if err != nil {
		return nil, err
	}
	m.Module = elf.NewModuleFromReaderWithLog(bytes.NewReader(object), verifierLog)
	if err := undisturbed(func() error { return m.Load(params) }); err != nil {
		return nil, fmt.Errorf("load the BPF programs by gobpf: %w", shortLog(err))
	}
	return m, nil
}

// undisturbed blocks the signals of Go's runtime for preemption and profiles on this
// thread: a signal ends the verifier with EAGAIN, and gobpf does not try again.
func undisturbed(load func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, old unix.Sigset_t
	block.Val[0] = 1<<(unix.SIGURG-1) | 1<<(unix.SIGPROF-1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &old); err != nil {
		return os.NewSyscallError("pthread_sigmask", err)
	}
	defer func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil) }() // the mask before
	return load()
}

// shortLog keeps the first and the last lines of an error that ends in the verifier's
// log.
func shortLog(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\x00") // the log of another program follows it
	text = strings.TrimRight(text, "\n")
	lines := strings.Split(text, "\n")
	if os.Getenv("KTLSTOP_VERIFIER_LOG") != "" || len(lines) < 8 {
		return errors.New(text)
	}
	return errors.New(lines[0] + " " + strings.Join(lines[len(lines)-4:], " | "))
}

// FunctionOf is the kernel's function that a section's program is for.
func FunctionOf(section string) string { return section[strings.Index(section, "/")+1:] }

// Attach enables one program by its section's name.
func (m *Module) Attach(section string) error {
	active := maxActive
	if slices.Contains(readers, FunctionOf(section)) {
		active = maxActiveReader
	}
	return m.EnableKprobe(section, active)
}

// Update sets one element of a map.
func (m *Module) Update(name string, key, value []byte) error {
	return m.UpdateElement(m.Map(name), unsafe.Pointer(&key[0]), unsafe.Pointer(&value[0]), 0)
}

// Lookup reads one element of a map.
func (m *Module) Lookup(name string, key, value []byte) error {
	return m.LookupElement(m.Map(name), unsafe.Pointer(&key[0]), unsafe.Pointer(&value[0]))
}

// Delete removes one element of a map.
func (m *Module) Delete(name string, key []byte) error {
	return m.DeleteElement(m.Map(name), unsafe.Pointer(&key[0]))
}

// Each visits all elements of a hash; visit may delete the element. If the map changes
// meanwhile, the kernel can start from the beginning, but no element is visited twice.
func (m *Module) Each(name string, visit func(key, value []byte) error) error {
	keys, err := m.keys(name)
	if err != nil {
		return err
	}
	value := make([]byte, m.sizes[name][1])
	for _, key := range keys {
		if m.Lookup(name, key, value) != nil {
			continue // it is gone
		}
		if err := visit(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (m *Module) keys(name string) (keys [][]byte, err error) {
	size := m.sizes[name]
	seen := map[string]bool{}
	var from unsafe.Pointer
	for {
		next, value := make([]byte, size[0]), make([]byte, size[1])
		more, err := m.LookupNextElement(m.Map(name), from, unsafe.Pointer(&next[0]), unsafe.Pointer(&value[0]))
		if err != nil && from != nil && !seen[string(next)] {
			// Deleted between its key and its value.
			more = !bytes.Equal(next, make([]byte, size[0]))
		}
		if !more || seen[string(next)] {
			return keys, nil
		}
		seen[string(next)] = true
		keys = append(keys, next)
		from = unsafe.Pointer(&next[0])
	}
}
