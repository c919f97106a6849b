package vm

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildVmrun builds vmrun, or skips the test: booting takes long and the first time needs the network.
func buildVmrun(t *testing.T) string {
	t.Helper()
	if os.Getenv("KTLSTOP_TEST_VM") == "" {
		t.Skip("boots a kernel: run with KTLSTOP_TEST_VM=6.1")
	}
	file := filepath.Join(t.TempDir(), "vmrun")
	build := exec.Command("go", "build", "-o", file, "./cmd/vmrun")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

type result struct {
	code           int
	stdout, stderr string
}

func vmrun(t *testing.T, file string, stdin []byte, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(file, append([]string{"-kernel", os.Getenv("KTLSTOP_TEST_VM")}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestGuest(t *testing.T) {
	file := buildVmrun(t)
	t.Run("status and streams", func(t *testing.T) {
		got := vmrun(t, file, nil, "--", "sh", "-c", "echo out; echo err >&2; sleep 100 & exit 7")
		if want := (result{7, "out\n", "err\n"}); got != want {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("binary", func(t *testing.T) {
		data := make([]byte, 1<<20)
		rand.Read(data)
		got := vmrun(t, file, data, "--", "cat")
		if got.code != 0 || got.stdout != string(data) || got.stderr != "" {
			t.Errorf("status %d, %d bytes, stderr %q", got.code, len(got.stdout), got.stderr)
		}
	})
	t.Run("share", func(t *testing.T) {
		dir, hidden := t.TempDir(), filepath.Join(t.TempDir(), "hidden")
		got := vmrun(t, file, nil, "-share", dir, "--", "sh", "-c", "echo seen > "+dir+"/f; echo > "+hidden)
		data, _ := os.ReadFile(filepath.Join(dir, "f"))
		if got.code != 0 || string(data) != "seen\n" {
			t.Errorf("%+v, file %q", got, data)
		}
		if _, err := os.Stat(hidden); err == nil {
			t.Error("the guest wrote to a directory that is not shared")
		}
	})
	t.Run("time limit", func(t *testing.T) {
		got := vmrun(t, file, nil, "-timeout", "25s", "--", "sleep", "1000")
		if got.code != exitTimeout || !strings.Contains(got.stderr, "time limit") || !strings.Contains(got.stderr, "console") {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("panic", func(t *testing.T) {
		got := vmrun(t, file, nil, "--", "sh", "-c", "echo c > /proc/sysrq-trigger")
		if got.code != exitFailed || !strings.Contains(got.stderr, "sysrq triggered crash") {
			t.Errorf("got %+v", got)
		}
	})
}
