package tui

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/flow"
)

// groupFilter is the filter that shows a group's connections alone.
func (m *Model) groupFilter(g *flow.Group) string {
	if m.cgroups {
		return "cgroup==" + strconv.FormatUint(g.Proc.CgroupID, 10)
	}
	return "pid==" + strconv.FormatUint(uint64(g.Proc.PID), 10)
}
