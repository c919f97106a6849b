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
		"call.records == 0":                     {"--match can hold for nothing: there is no record with call.records == 0"},
		`comm == "kernel:"`:                     {`--match 'comm == "kernel:"' names no kernel thread: say which, as kernel:kworker/0:1`},
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
		if got := cannotMatch(expr, ""); !slices.Equal(got, want) {
			t.Errorf("--match %q: %q, want %q", text, got, want)
		}
	}
}

// TestCannotMatchOfDir: --dir is one more part of the expression.
func TestCannotMatchOfDir(t *testing.T) {
	expr, err := match.Parse("len > 3 and call.records > 1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--dir tx and --match can hold for nothing: dir == tx and call.records > 1 exclude each other"}
	if got := cannotMatch(expr, "tx"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := slices.Concat(cannotMatch(expr, "rx"), cannotMatch(nil, "rx")); got != nil {
		t.Errorf("%q", got)
	}
}

// TestOddNames: what --comm makes of names that no task can have is said.
func TestOddNames(t *testing.T) {
	got := oddNames([]string{"nginx", "kernel:nvme_tcp", "k:kworker/0:1", "kernel:", "a-name-of-sixteen", "fifteen-bytes-it"[:15]})
	want := []string{"--comm kernel: names no kernel thread: say which, as kernel:kworker/0:1",
		"--comm a-name-of-sixteen: a task's name has at most 15 bytes; this asks for a-name-of-sixte"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
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
