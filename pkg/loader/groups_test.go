package loader

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/objecttest"
)

// Every program that is attached is in a group, and every group has some.
func TestGroupsHaveAllPrograms(t *testing.T) {
	count := map[string]int{}
	for name := range objecttest.Object(t).Programs {
		g := groupOf(name)
		if g == "" && name != "read_variable" && name != "match_once" {
			t.Errorf("%s is in no group", name)
		}
		count[g]++
	}
	for _, g := range groups {
		if count[g.name] == 0 || g.without == "" {
			t.Errorf("group %s has %d programs, without it: %q", g.name, count[g.name], g.without)
		}
	}
	if len(count) != len(groups)+1 {
		t.Errorf("%v", count)
	}
}

func TestReason(t *testing.T) {
	verifier := &ebpf.VerifierError{Cause: errors.New("invalid argument"), Log: []string{
		"0: (85) call unknown#195896080", "invalid func unknown#195896080", "processed 1 insns (limit 1000000)", ""}}
	for want, err := range map[string]error{
		"the kernel refuses it: invalid func unknown#195896080": fmt.Errorf("program x: %w", verifier),
		"the kernel refuses it: invalid argument":               &ebpf.VerifierError{Cause: errors.New("invalid argument"), Log: []string{"", "processed 1 insns"}},
		"the kernel refuses it: no such program":                errors.New("no such program"),
		"the kernel refuses it: not permitted":                  errors.New("not permitted (MEMLOCK may be too low, consider rlimit.RemoveMemlock)"),
	} {
		if got := reason(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
