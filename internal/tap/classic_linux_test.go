package tap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseClassic(t *testing.T) {
	want := []unix.SockFilter{{Code: 40, K: 12}, {Code: 21, Jt: 0, Jf: 1, K: 2048}, {Code: 6, K: 262144}, {Code: 6}}
	for _, text := range []string{
		"4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n", "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0",
		"4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0,", "4\r\n40 0 0 12\r\n21  0 1 2048\r\n 6 0 0 262144\r\n6 0 0 0",
	} {
		got, err := ParseClassic(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestParseClassicErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "tcpdump -y EN10MB -ddd",
		"\n,\n":                 "tcpdump -y EN10MB -ddd",
		"tcp port 443":          "how many instructions",
		"0":                     "how many instructions",
		"4097":                  "1 to 4096",
		"-1":                    "how many instructions",
		"2\n6 0 0 0":            "1 instructions follow, and the first number says 2",
		"1\n6 0 0 0\n6 0 0 0":   "2 instructions follow",
		"1\n6 0 0":              "instruction 1 is \"6 0 0\": 3 numbers, want 4",
		"1\n6 0 0 0 0":          "5 numbers",
		"1\n6 256 0 0":          "\"256\" is not a number of 8 bits",
		"1\n65536 0 0 0":        "16 bits",
		"1\n6 0 0 4294967296":   "32 bits",
		"1\n6 0 0 -1":           "\"-1\"",
		"1\n6 0 0 0x1":          "\"0x1\"",
		"1\n{ 0x6, 0, 0, 0x1 }": "4 instructions follow",
	} {
		_, err := ParseClassic(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// FuzzParseClassic: what is accepted says the same when it is written again.
func FuzzParseClassic(f *testing.F) {
	f.Add("4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n")
	f.Add("1,6 0 0 1")
	f.Add("1\n6 0 0 -1")
	f.Fuzz(func(t *testing.T, text string) {
		program, err := ParseClassic(text)
		if err != nil {
			return
		}
		again := fmt.Sprintln(len(program))
		for _, i := range program {
			again += fmt.Sprintln(i.Code, i.Jt, i.Jf, i.K)
		}
		if got, err := ParseClassic(again); err != nil || !slices.Equal(got, program) {
			t.Errorf("%q reads as %v, written again as %v, %v", text, program, got, err)
		}
	})
}
