package vm

import (
	"reflect"
	"testing"
)

func TestMatrix(t *testing.T) {
	got := map[bool][]string{}
	for _, s := range Matrix() {
		got[s.Check] = append(got[s.Check], s.Name)
	}
	want := map[bool][]string{false: {"6.1", "6.12", "6.18", "7.2", "7.3"}, true: {"6.16", "6.17"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("kernels.txt names %v, want %v", got, want)
	}
	if _, err := findSeries("5.10"); err == nil {
		t.Error("5.10 was found")
	}
}

func TestParseMatrix(t *testing.T) {
	got, err := parseMatrix("# kernels\n\n6.1  full bookworm security # both\n7.2 check trixie\n")
	want := []Series{{"6.1", false, []string{"bookworm", "security"}}, {"7.2", true, []string{"trixie"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, text := range []string{"6.1\n", "6.1 full\n", "6.1 bookworm security\n"} {
		if _, err := parseMatrix(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
