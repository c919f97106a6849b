package vm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// enginesPackages are Debian trixie's Prometheus, which supports start times of counters, unlike
// the host's. It is linked against no library but libc, and Debian leaves its OTLP receiver out.
// The version of the first package is in the directory's name.
var enginesPackages = []string{"prometheus", "promtool"}

// enginesPrograms are built from source: Debian has no VictoriaLogs, and its VictoriaMetrics comes
// with 40 MB of other programs.
var enginesPrograms = []string{
	"github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics@v1.151.0",
	"github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@v1.52.1",
}

const enginesUsage = `usage: engines [-update]

Unpacks Debian trixie's Prometheus, builds VictoriaMetrics and VictoriaLogs, and prints the directory that has them in
usr/bin. This is done once, in a minute or two; then they are kept in the cache.

`

// EnginesMain is all of the command engines; it returns the exit status.
func EnginesMain(args []string) int { return printMain("engines", enginesUsage, Engines, args) }

// Engines returns the directory of the servers to which the tests send ktlstop's metrics and
// events, from the cache if it is there.
func Engines(ctx context.Context, update bool) (string, error) {
	return inCache("engines", cachedEngines, update, func(cache, dir string) (string, error) {
		return unpackForeign(ctx, cache, dir, enginesPrefix(), enginesPackages, installEngines)
	})
}

func cachedEngines(dir string) (string, bool) { return noted(dir, enginesPrefix()) }

// enginesPrefix names the directory after the programs that are built, so that another version is
// built anew.
func enginesPrefix() string {
	prefix := "engines-"
	for _, program := range enginesPrograms {
		_, version, _ := strings.Cut(program, "@")
		prefix += version + "-"
	}
	return prefix
}

// installEngines builds the programs that Debian lacks, into usr/bin of the tree unpacked at root.
func installEngines(ctx context.Context, root string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("building VictoriaMetrics and VictoriaLogs needs Go: https://go.dev/doc/install")
	}
	for _, program := range enginesPrograms {
		progressf("building %s", program)
		cmd := exec.CommandContext(ctx, "go", "install", "-trimpath", "-ldflags", "-s -w", program)
		cmd.Dir = root // no module there, whose go.mod would apply
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOBIN="+filepath.Join(root, "usr/bin"))
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return err
		}
	}
	return nil
}
