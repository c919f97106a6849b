package ktls

import "testing"

func TestAttributes(t *testing.T) {
	b := []byte{5, 0, 1, 0, 'a', 0, 0, 0, 6, 0, 2, 0x80, 'b', 'c', 0, 0, 9, 0, 3, 0}
	got := attributes(b)
	if string(got[1]) != "a" || string(got[2]) != "bc" || len(got) != 2 {
		t.Errorf("attributes: %v", got)
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add([]byte{5, 0, 1, 0, 'a', 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) { attributes(b) })
}
