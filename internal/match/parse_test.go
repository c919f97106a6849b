package match_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/internal/match/matchtest"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"":                                       "",
		" \t":                                    "",
		"dir = tx and len > 4k":                  "dir == tx and len > 4096",
		"LEN>4KiB && len<8kB":                    "len > 4096 and len < 8000",
		`comm in ("nginx",haproxy)`:              `comm in ("nginx", "haproxy")`,
		"raddr in 192.0.2.77/24":                 "raddr == 192.0.2.0/24",
		"addr not in (::1, ::ffff:10.0.0.0/104)": "addr not in (::1/128, 10.0.0.0/8)",
		"type==hshk":                             "type == hshk",
		"lat.encrypt > 0.3ms":                    "lat.encrypt > 300µs",
		`payload[:4] == "GET "`:                  `payload[0:4] == "GET "`,
		`payload[3] != "\x16"`:                   `payload[3:4] != "\x16"`,
		"payload contains password":              `payload contains "password"`,
		"a b":                                    `"a" and "b"`,
		"a or b c":                               `"a" or "b" and "c"`,
		"(a or b) c":                             `("a" or "b") and "c"`,
		"!(a && b) || not c":                     `not ("a" and "b") or not "c"`,
		"foo not bar":                            `"foo" and not "bar"`,
		"port not in 443":                        "port != 443",
		"seq == 0xff":                            "seq == 255",
		`"say \"hi\"\n\0\\"`:                     `"say \"hi\"\x0a\x00\\"`,
		`comm == "kernel:nfsd"`:                  `comm == "nfsd"`, `comm == "k:nfsd"`: `comm == "nfsd"`,
		"comm == a-name-longer-than-the-kernels": `comm == "a-name-longer-t"`,
		"日本 comm==日本":                            `"\xe6\x97\xa5\xe6\x9c\xac" and comm == "\xe6\x97\xa5\xe6\x9c\xac"`,
	} {
		e, err := match.Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if e.String() != want {
			t.Errorf("%s is read as %s, want %s", in, e, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for in, want := range map[string]string{
		"lat.encrypt > 5":                      "column 15: lat.encrypt is a duration: compare it with 5ms, 300us …",
		"lat.encrypt > -5ms":                   "column 15: lat.encrypt is never negative",
		"foo == 1":                             `column 1: there is no field "foo"; see ktlstop help filters`,
		"lat.encript > 5ms":                    `column 1: there is no field "lat.encript"; did you mean lat.encrypt? Else see ktlstop help filters`,
		"日本 foo==1":                            `column 4: there is no field "foo"`,
		"len > x":                              "column 7: len is a number: compare it with 4000",
		`len > "5"`:                            "column 7: len is a number",
		"len > 5x":                             "column 7: len is a number",
		"len > 18446744073709551615k":          "column 7: len is a number",
		"len > 0x100000000":                    "column 7: len is at most 4294967295",
		"port == 70000":                        "column 9: port is at most 65535",
		"dir == up":                            `column 8: dir is never "up": compare it with rx, tx`,
		"dir < tx":                             "column 1: dir has no order: compare it with ==, != or in",
		"comm > a":                             "column 1: comm has no order",
		"len contains 5":                       "column 1: len does not take contains",
		`comm == ""`:                           "column 9: comm is never empty",
		"raddr == nowhere":                     "column 10: raddr is an address",
		"raddr == fe80::1%eth0":                "column 10: raddr is an address",
		"version == 1.4":                       `column 12: version is never "1.4": compare it with 1.2, 1.3`,
		"type == 256":                          `column 9: type is never "256"`,
		"alert == nothing":                     `column 10: alert is never "nothing": compare it with close_notify, or a number`,
		"payload == x":                         `column 1: payload takes contains, or a slice: payload[0:4] == "GET "`,
		"payload[0:4]":                         `column 1: compare payload with something`,
		`payload[0:4] < "GET "`:                "column 1: a slice of the payload is compared with ==, != or in",
		`payload[0:4] == "GET"`:                "column 17: payload[0:4] has 4 bytes, and this string 3",
		`payload[4:4] == ""`:                   "column 9: a slice is two offsets, the first below the second",
		`payload[a:4] == ""`:                   "column 9: a slice is two offsets",
		`payload[0:257] == x`:                  "column 9: only the first 256 bytes of a payload can be looked at",
		`payload contains "seventeen bytes!!"`: "column 18: payload contains takes 1 to 16 bytes, and this string has 17",
		`len[0:4] == 1`:                        "column 5: only payload has slices",
		`"a\q"`:                                `column 3: the escapes are`,
		`"a\x4"`:                               `column 3: the escapes are`,
		`""`:                                   "column 1: an empty string is found anywhere",
		`"abc`:                                 "column 1: the string has no closing quote",
		"a & b":                                "column 3: write and or &&, or or ||",
		"(a":                                   "column 3: the expression ends where more must follow",
		"a)":                                   `column 2: ")" is not expected here`,
		"and":                                  `column 1: "and" is not expected here`,
		"port in ()":                           `column 10: ")" is not expected here`,
		"dir ==":                               "column 7: the expression ends where more must follow",
		strings.Repeat("(", 18) + "a" + strings.Repeat(")", 18): "column 18: more than 16 parentheses or nots in each other",
		strings.Repeat("!", 18) + "a":                           "more than 16 parentheses or nots in each other",
		strings.Repeat("a ", 65):                                "column 129: the expression compares with more than 64 values",
		strings.Repeat("payload contains a ", 17):               "column 305: more than 16 tests of the payload",
		strings.Repeat("a", 1025):                               "column 1025: the expression is longer than 1024 bytes",
	} {
		_, err := match.Parse(in)
		var e *match.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", in, err, want)
		}
	}
}

// roundTrip demands that an expression is read back as it was.
func roundTrip(t *testing.T, e *match.Expr) {
	t.Helper()
	text := e.String()
	if len(text) > match.MaxLength {
		return // written out, escapes take more room
	}
	again, err := match.Parse(text)
	if err != nil {
		t.Fatalf("%s is not read back: %v", text, err)
	}
	if again.String() != text {
		t.Fatalf("%s is read back as %s", text, again)
	}
}

func TestRandomExpressionsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		text := matchtest.Random(r)
		e, err := match.Parse(text)
		if err != nil {
			if !strings.Contains(err.Error(), "more than") && !strings.Contains(err.Error(), "longer") {
				t.Fatalf("%s: %v", text, err)
			}
			continue
		}
		roundTrip(t, e)
	}
}

func TestTableCoversEveryField(t *testing.T) {
	seen := map[match.Field]bool{}
	for _, text := range matchtest.Expressions {
		e, err := match.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		roundTrip(t, e)
		match.Walk(e.Root, func(n match.Node) {
			if test, ok := n.(*match.Test); ok {
				seen[test.Field] = true
			}
		})
	}
	for f := match.Dir; f <= match.Payload; f++ {
		if !seen[f] {
			t.Errorf("no expression of the table has the field %s", f)
		}
	}
}

func TestConjuncts(t *testing.T) {
	for in, want := range map[string][]string{
		"":                                  nil,
		"pid == 1 and (uid == 2 len > 3)":   {"pid == 1", "uid == 2", "len > 3"},
		"not (pid == 1 or uid == 2)":        {"not pid == 1", "not uid == 2"},
		"not not (pid == 1 and uid == 2)":   {"pid == 1", "uid == 2"},
		"pid == 1 or uid == 2":              {"pid == 1 or uid == 2"},
		"not (pid == 1 and uid == 2) len>1": {"not (pid == 1 and uid == 2)", "len > 1"},
	} {
		e, err := match.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range e.Conjuncts() {
			got = append(got, n.String())
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range matchtest.Expressions {
		f.Add(s)
	}
	f.Add(`"\x0g" [::] payload[99999999999999999999:1] == \`)
	f.Fuzz(func(t *testing.T, s string) {
		e, err := match.Parse(s)
		if err != nil {
			var me *match.Error
			if !errors.As(err, &me) || me.Column < 1 || strings.ContainsRune(err.Error(), '\n') {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		roundTrip(t, e)
		e.Eval(&match.Subject{})
	})
}
