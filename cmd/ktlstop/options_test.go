package main

import (
	"slices"
	"testing"

	"github.com/ktlstop/ktlstop/internal/match"
)

// TestCannotMatch: a filter by which nothing can come is said, and none of those that may.
func TestCannotMatch(t *testing.T) {
	for text, want := range map[string][]string{
		"dir == tx":                             nil,
		"":                                      nil,
		"dir == tx and len > 3 and dir == rx":   {"--match can hold for nothing: dir == tx and dir == rx exclude each other"},
		`comm in ("nginx", "nvme_tcp")`:         nil,
		`comm == nfsd or comm == nvme_tcp`:      nil,
		`comm != nvme_tcp`:                      nil,
		`kernel_user == nvme_tcp`:               nil,
		`len > 3 and comm == "kernel:nvme_tcp"`: {`--match 'comm == "nvme_tcp"' can hold for nothing: that is no task but a part of the kernel, which kernel_user asks for`},
	} {
		expr, err := match.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := cannotMatch(expr); !slices.Equal(got, want) {
			t.Errorf("--match %q: %q, want %q", text, got, want)
		}
	}
}

// TestNamed: --comm takes what COMM shows, tasks and parts of the kernel.
func TestNamed(t *testing.T) {
	for _, c := range []struct {
		match string
		comms []string
		text  string
		tasks []string
	}{
		{"len > 3", []string{"nginx", "kernel:nfsd", "k:kworker/u8:1"}, "len > 3", []string{"nginx", "kernel:nfsd", "k:kworker/u8:1"}},
		{"", nil, "", nil},
		{"", []string{"kernel:nvme_tcp"}, `kernel_user == "nvme_tcp"`, nil},
		{" ", []string{"k:nvme_tcp", `a"b`}, `comm == "a\"b" or kernel_user == "nvme_tcp"`, nil},
		{"len > 3 or dir == tx", []string{"nginx", " nvme_tcp", "nfs"},
			`(len > 3 or dir == tx) and (comm == "nginx" or kernel_user in ("nvme_tcp", "nfs"))`, nil},
	} {
		text, tasks := named(c.match, c.comms)
		got, err := match.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		want, err := match.Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() || !slices.Equal(tasks, c.tasks) {
			t.Errorf("--match %q --comm %q: %s and %q, want %s and %q", c.match, c.comms, got, tasks, want, c.tasks)
		}
	}
}
