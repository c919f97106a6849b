package main

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// boundMemory has garbage collected before the kernel's limit for this process is reached,
// which would end it: at nine tenths, since not all of its memory is Go's. GOMEMLIMIT goes
// first.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return
	}
	if limit := memoryLimit("/sys/fs/cgroup", string(own)); limit < math.MaxInt64 {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}

// memoryLimit is the least memory.max of a cgroup and those above it, in bytes, and
// math.MaxInt64 where there is none. root is where cgroups of version 2 are mounted, own the
// content of /proc/PID/cgroup.
func memoryLimit(root, own string) int64 {
	least := int64(math.MaxInt64)
	for line := range strings.Lines(own) {
		at, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::/")
		if !ok {
			continue
		}
		for at = path.Join("/", at); ; at = path.Dir(at) {
			text, err := os.ReadFile(filepath.Join(root, at, "memory.max"))
			if n, parsed := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && parsed == nil && n > 0 {
				least = min(least, n)
			}
			if at == "/" {
				break
			}
		}
	}
	return least
}
