// Package systemd holds the test of deploy/systemd.
package systemd

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

const unit = "../../deploy/systemd/ktlstop.service"

// most is how exposed the unit may be, of 10: systemd.exec(5) and systemd-analyze(1)
// say what counts. Tracing needs CAP_SYS_ADMIN, which alone makes up a good part.
const most = 3.0

func analyze(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze: apt-get install systemd")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestHardened(t *testing.T) {
	out := analyze(t, "security", "--no-pager", "--offline=true", unit)
	level := regexp.MustCompile(`Overall exposure level for ktlstop.service: ([0-9.]+)`).FindStringSubmatch(out)
	if level == nil {
		t.Fatalf("no level in\n%s", out)
	}
	if exposed, err := strconv.ParseFloat(level[1], 64); err != nil || exposed > most {
		t.Errorf("exposed by %s, more than %g:\n%s", level[1], most, out)
	}
}
