//go:build !linux || !(amd64 || arm64)

package loader

import (
	"context"
	"runtime"
)

// Tracer is the type of what Open returns on Linux on x86-64 and arm64. Here Open returns an
// error.
type Tracer struct{ tracerMethods }

// Open returns an *UnsupportedError, or the error of Config.Check.
func Open(_ context.Context, cfg Config) (*Tracer, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return nil, Preflight()
}

// Watch is the type of what OpenWatch returns on Linux on x86-64 and arm64.
type Watch struct{ watchMethods }

// OpenWatch returns an *UnsupportedError.
func OpenWatch(context.Context) (*Watch, error) { return nil, Preflight() }

// Self returns an *UnsupportedError.
func Self(context.Context) (groups []GroupState, missing []string, err error) {
	return nil, nil, Preflight()
}

// Preflight returns an *UnsupportedError: this system has no tracing.
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

// haveGobpf is false: kprobes exist on Linux only.
const haveGobpf = false

// UsesKprobes returns false: Open attaches nothing.
func (c *Config) UsesKprobes() bool { return false }

// IsKernelUser returns false: there are no tasks to filter.
func IsKernelUser(string) bool { return false }
