package vm

import (
	"regexp"
	"strings"
)

// softLockup is the message of the kernel's watchdog about a processor whose task has not released
// it for 20 seconds, repeated every 20 to 40 (kernel/watchdog.c, watchdog_timer_fn).
var softLockup = regexp.MustCompile(`soft lockup - CPU#\d+ stuck for \d+s! \[.*\]`)

// stackEnd is the last line of a stack.
const stackEnd = "</TASK>"

// lastLockup is the watchdog's last report on a console, to the end of its stack; empty if there is none.
func lastLockup(console string) string {
	all := softLockup.FindAllStringIndex(console, -1)
	if len(all) == 0 {
		return ""
	}
	report := console[all[len(all)-1][0]:]
	if stack, _, whole := strings.Cut(report, stackEnd); whole {
		return strings.TrimSpace(stack + stackEnd)
	}
	return strings.TrimSpace(report)
}
