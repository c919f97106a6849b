package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestFewestRights: without one of the capabilities of the unit and of the DaemonSet
// that tracing requires, one line reports it. TestPackage shows that all together are
// enough, and only for the user root.
func TestFewestRights(t *testing.T) {
	onOneKernel(t)
	for lacks, c := range map[string]struct{ args, says string }{
		"sys_admin": {"trace", "not allowed to load BPF programs; run as root, or with CAP_SYS_ADMIN"},
		"syslog":    {"trace -s 16", "the kernel hides its symbols' addresses; payload needs them"},
	} {
		out, err := withRights(lacks, append([]string{program}, strings.Fields(c.args)...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.says) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("without %s: %v: %s", lacks, err, out)
		}
	}
}

// withRights is a command of an ordinary user with all of the unit's capabilities but
// one.
func withRights(but string, args ...string) *exec.Cmd {
	rights := slices.DeleteFunc([]string{"sys_admin", "syslog", "dac_read_search"}, func(c string) bool { return c == but })
	set := "-all,+" + strings.Join(rights, ",+")
	return exec.Command("setpriv", append([]string{"--reuid=1234", "--regid=1234", "--clear-groups",
		"--inh-caps=" + set, "--ambient-caps=" + set, "--bounding-set=" + set}, args...)...)
}
