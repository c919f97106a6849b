//go:build !linux || !(amd64 || arm64)

package loader

import (
	"context"
	"runtime"
)

// Tracer is what Open returns where it can, which is on Linux, on x86-64 and arm64. Here it
// returns an error.
type Tracer struct{ tracerMethods }

// Open returns an *UnsupportedError, or the error of Config.Check.
func Open(_ context.Context, cfg Config) (*Tracer, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return nil, Preflight()
}

// Watch is what OpenWatch returns where it can.
type Watch struct{ watchMethods }

// OpenWatch returns an *UnsupportedError.
func OpenWatch(context.Context) (*Watch, error) { return nil, Preflight() }

// Self returns an *UnsupportedError.
func Self(context.Context) (groups []GroupState, missing []string, err error) {
	return nil, nil, Preflight()
}

// Preflight returns an *UnsupportedError: this program runs where it cannot trace.
func Preflight() error {
	needs := "Linux"
	if runtime.GOOS == "linux" {
		needs = "x86-64 or arm64"
	}
	return &UnsupportedError{
		What: "tracing needs " + needs + ", and this program is for " + runtime.GOOS + "/" + runtime.GOARCH,
		Hint: "here it reads what others have traced", Err: ErrUnsupportedPlatform,
	}
}

// haveGobpf: kprobes are Linux' too.
const haveGobpf = false

// UsesKprobes says whether Open attaches by kprobes, which it does not.
func (c *Config) UsesKprobes() bool { return false }

// IsKernelUser is false: there are no names of tasks to filter by.
func IsKernelUser(string) bool { return false }
