package vm

import (
	"reflect"
	"testing"
)

func TestMatrix(t *testing.T) {
	if got, want := allKernels(), []string{"6.1", "6.12", "6.18", "7.2", "7.3"}; !reflect.DeepEqual(got, want) {
		t.Errorf("kernels.txt names %v, want %v", got, want)
	}
	if _, err := findSeries("5.10"); err == nil {
		t.Error("5.10 was found")
	}
}

func TestParseMatrix(t *testing.T) {
	got, err := parseMatrix("# kernels\n\n6.1  bookworm security # both\n7.2 trixie\n")
	want := []Series{{"6.1", []string{"bookworm", "security"}}, {"7.2", []string{"trixie"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := parseMatrix("6.1\n"); err == nil {
		t.Error("a series without a suite was accepted")
	}
}
