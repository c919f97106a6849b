package loader

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"
)

// backend puts the programs into the kernel and brings out what they tell.
// Both ways speak struct event of bpf/ktls_event.h.
type backend interface {
	// open loads and attaches. Nothing is told before setLive.
	open(cfg *Config) error
	// about is what is attached, and in words what this kernel lacks.
	about() (hooks []HookState, missing []string)
	setLive(on bool) error
	// inventory tells of the sockets that are open already.
	inventory() error
	// read returns the next event, valid until the next call, or
	// os.ErrDeadlineExceeded.
	read() ([]byte, error)
	setDeadline(t time.Time)
	// fetch hands payloads to keep until that says that it is enough, or until
	// all that are there have been seen.
	fetch(keep func(wirePayload) (enough bool)) error
	// each visits the values of one of the maps "conns" and "pending".
	each(name string, visit func(value []byte) error) error
	// losses are the counters of enum lost.
	losses() ([len(causes)]uint64, error)
	// collection is what cilium/ebpf has loaded; nil where gobpf has.
	collection() *ebpf.Collection
	// rings says how full the buffers are, where that is known.
	rings(payload bool) []Fill
	// detach lets no program run any more; what they told can still be read.
	detach()
	close()
}

// Names of the backends, for Config.Backend.
const (
	BackendAuto  = "auto"
	BackendEBPF  = "ebpf"
	BackendGobpf = "gobpf"
)

// ParseBackend returns the backend of this name; the empty name is auto.
func ParseBackend(name string) (string, error) {
	switch name {
	case "", BackendAuto:
		return BackendAuto, nil
	case BackendEBPF, BackendGobpf:
		return name, nil
	}
	return "", fmt.Errorf("unknown backend %q: auto, ebpf or gobpf", name)
}

// newBackend takes kprobes only where they are asked for, or where there is no
// type information and this program can do without.
func newBackend(cfg *Config) (backend, error) {
	name, err := ParseBackend(cfg.Backend)
	if err != nil {
		return nil, err
	}
	if name == BackendEBPF || name == BackendAuto && (hasTypes() || !haveGobpf) {
		return &ebpfBackend{}, nil
	}
	if !haveGobpf {
		return nil, &UnsupportedError{What: "this ktlstop was built without the gobpf backend",
			Hint: "build one that has it: make build-gobpf (go build -tags gobpf, with cgo and gcc)"}
	}
	return newGobpfBackend(), nil
}

// backendName is what runs chose, for those who read the summary.
func backendName(b backend) string {
	if _, ok := b.(*ebpfBackend); ok {
		return BackendEBPF
	}
	return BackendGobpf
}
