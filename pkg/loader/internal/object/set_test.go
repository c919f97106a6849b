package object

import "testing"

func TestSet(t *testing.T) {
	s, err := LoadKtls()
	if err != nil {
		t.Fatal(err)
	}
	if err := Set(s, "no_such_variable", uint32(1)); err == nil {
		t.Error("set a variable that is not there")
	}
	if err := Set(s, "snaplen", uint64(1)); err == nil {
		t.Error("set 4 bytes to 8")
	}
}
