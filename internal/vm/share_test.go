package vm

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestTestOutputs(t *testing.T) {
	for args, want := range map[string][]string{
		"-test.v -test.run=X": nil,
		"-test.coverprofile=/out/c.out -test.gocoverdir=/cov": {"/cov", "/out"},
		"-test.outputdir=/o -test.cpuprofile=cpu.out":         {"/o", "/o"},
		"--test.memprofile mem.out":                           {"/src"},
		"-coverprofile=/not/a/test/flag":                      nil,
	} {
		if got := testOutputs("/src", strings.Fields(args)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", args, got, want)
		}
	}
}

func TestAllShares(t *testing.T) {
	dir := t.TempDir()
	got, err := allShares([]string{"."}, dir, []string{"x.test", "-test.outputdir=" + dir})
	if err != nil || !reflect.DeepEqual(got, []string{dir}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := allShares([]string{filepath.Join(dir, "none")}, dir, []string{"x"}); err == nil {
		t.Error("a directory that does not exist was accepted")
	}
}

func TestGuestEnv(t *testing.T) {
	got := guestEnv([]string{"PATH=/bin", "GOMAXPROCS=1", "KTLSTOP_X=1", "KTLSTOP_GUEST=0", "KTLSTOP_KERNELS=9", "KTLSTOP_CHECKED=9", "SECRET=x"}, "6.1", []string{"6.1", "7.3"})
	want := []string{"PATH=/bin", "GOMAXPROCS=1", "KTLSTOP_X=1", "KTLSTOP_GUEST=1", "KTLSTOP_KERNEL=6.1", "KTLSTOP_KERNELS=6.1 7.3", "KTLSTOP_CHECKED=" + strings.Join(checkedKernels(), " ")}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestFindProgram(t *testing.T) {
	if file, err := findProgram("sh", "/nowhere:/bin", "/"); err != nil || file != "/bin/sh" {
		t.Errorf("got %q, %v", file, err)
	}
	if _, err := findProgram("./none", "/bin", "/"); err == nil {
		t.Error("found a program that is not there")
	}
}
