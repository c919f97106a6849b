package vm

import (
	"reflect"
	"strings"
	"testing"
)

func TestMatrix(t *testing.T) {
	got := map[string][]string{}
	for _, s := range Matrix() {
		got[s.Use] = append(got[s.Use], s.Name)
	}
	want := map[string][]string{full: {"6.1", "6.12", "6.18", "7.2", "7.3"}, partly: {"6.12-arm64"}, asked: {"6.12-arm64-16k", "7.3-arm64"}, checkOnly: {"6.16", "6.17"},
		typesOnly: {"6.1-cloud", "6.1-rt", "6.12-cloud", "6.12-rt", "6.16-cloud", "6.16-rt", "6.17-cloud", "6.17-rt",
			"6.18-cloud", "6.18-rt", "7.2-cloud", "7.2-rt", "7.3-cloud", "7.3-rt"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("kernels.txt names %v, want %v", got, want)
	}
	if _, err := findSeries("5.10"); err == nil {
		t.Error("5.10 was found")
	}
	if _, err := Fetch(t.Context(), "6.1-cloud", false); err == nil || !strings.Contains(err.Error(), "types only") {
		t.Errorf("6.1-cloud, to boot: %v", err)
	}
}

func TestParseMatrix(t *testing.T) {
	got, err := parseMatrix("# kernels\n\n6.1  full bookworm security # both\n7.2 check trixie\n7.2-rt types trixie\n")
	want := []Series{{"6.1", full, []string{"bookworm", "security"}}, {"7.2", checkOnly, []string{"trixie"}}, {"7.2-rt", typesOnly, []string{"trixie"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, text := range []string{"6.1\n", "6.1 full\n", "6.1 bookworm security\n"} {
		if _, err := parseMatrix(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
