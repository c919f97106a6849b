package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// playContainer: a process in a cgroup like those of a container runtime belongs to
// that container, and a process outside to none.
func playContainer(t *testing.T) func(*testing.T, trace) {
	id := strings.Repeat("0123456789abcdef", 4)
	scope := filepath.Join("/sys/fs/cgroup", "docker-"+id+".scope")
	must(t, os.Mkdir(scope, 0o755))
	inside := exec.Command("sh", "-c", `echo $$ >"$1/cgroup.procs" && exec "$2" gen --rounds 2`, "sh", scope, program)
	if out, err := inside.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, stderr, status := ktlstop(t, "gen", "--rounds", "2"); status != 0 {
		t.Fatal(stderr)
	}
	return func(t *testing.T, got trace) {
		must(t, os.Remove(scope)) // later, so that nothing looks it up any more
		n := map[string]int{}
		for _, l := range got.ofType("record") {
			if want := map[bool]string{true: id}[l.PID == inside.Process.Pid]; l.Container != want {
				t.Errorf("pid %d is in container %q, want %q", l.PID, l.Container, want)
			}
			n[l.Container]++
		}
		if n[id] == 0 || n[""] == 0 {
			t.Errorf("records by container: %v", n)
		}
	}
}
