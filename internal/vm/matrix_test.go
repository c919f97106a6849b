package vm

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMatrix(t *testing.T) {
	got := map[string][]string{}
	for _, s := range Matrix() {
		got[s.Use+"/"+s.Before] = append(got[s.Use+"/"+s.Before], s.Name)
	}
	want := map[string][]string{"full/full": {"6.1", "6.12", "7.3"}, "check/full": {"6.18", "7.2"}, "part/part": {"6.12-arm64"}, "types/part": {"6.12-arm64-16k", "7.3-arm64"},
		"check/check": {"6.1-rt", "6.17", "7.3-cloud", "7.3-rt"},
		"types/check": {"6.1-cloud", "6.12-cloud", "6.12-rt", "6.16", "6.18-cloud", "6.18-rt", "7.2-cloud", "7.2-rt"},
		"types/types": {"6.16-cloud", "6.16-rt", "6.17-cloud", "6.17-rt"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("kernels.txt names %v, want %v", got, want)
	}
	if _, err := findSeries("5.10"); err == nil {
		t.Error("5.10 was found")
	}
	if _, err := Fetch(t.Context(), "6.16-cloud", false); err == nil || !strings.Contains(err.Error(), "types only") {
		t.Errorf("6.16-cloud, to boot: %v", err)
	}
}

// TestRunBeforeRelease: KTLSTOP_ALL=1 runs on kernels that other runs leave out.
func TestRunBeforeRelease(t *testing.T) {
	for all, want := range map[string]string{"": "6.1 6.12 7.3", "1": "6.1 6.12 6.18 7.2 7.3"} {
		t.Setenv("KTLSTOP_ALL", all)
		if got := strings.Join(kernelNames(full), " "); got != want {
			t.Errorf("KTLSTOP_ALL=%s: all tests on %s, want %s", all, got, want)
		}
		if got := kernelNames(checkOnly); slices.Contains(got, "6.12-rt") != (all != "") {
			t.Errorf("KTLSTOP_ALL=%s: checked are %v", all, got)
		}
		if got := checkedKernels(); !slices.Contains(got, "6.12-rt") || slices.Contains(got, "7.2") != (all == "") {
			t.Errorf("KTLSTOP_ALL=%s: a check is for %v", all, got)
		}
	}
}

func TestParseMatrix(t *testing.T) {
	got, err := parseMatrix("# kernels\n\n6.1  full bookworm security # both\n7.2 check/full trixie\n7.2-rt types trixie\n")
	want := []Series{{"6.1", full, full, []string{"bookworm", "security"}}, {"7.2", checkOnly, full, []string{"trixie"}}, {"7.2-rt", typesOnly, typesOnly, []string{"trixie"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, text := range []string{"6.1\n", "6.1 full\n", "6.1 bookworm security\n", "6.1 full/never bookworm\n"} {
		if _, err := parseMatrix(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
