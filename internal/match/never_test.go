package match

import "testing"

func TestNever(t *testing.T) {
	for text, want := range map[string]bool{
		"dir == tx and dir == rx":                        true,
		"dir == tx and len > 3 and dir == rx":            true,
		"dir == tx and dir != tx":                        true,
		"comm == nginx and comm == redis":                true,
		"comm in (a, b) and comm != a and comm in (c)":   true,
		"comm == nginx and comm != nginx":                true,
		"len > 10 and len < 5":                           true,
		"len > 10 and len < 11":                          true,
		"len == 5 and len > 5":                           true,
		"len > 5 and len == 5":                           true,
		"lat.total > 2ms and lat.total < 1ms":            true,
		"call.records > 1 and dir == tx":                 true,
		"dir != rx and call.time > 1ms":                  true,
		"lat.queue > 1ms and lat.wait > 1ms":             true,
		"lat.deliver != 1ms and dir == tx":               true,
		"card == part and dir == tx":                     true,
		"lat.queue > 1ms and dir == tx":                  false,
		"lat.total > 1ms and dir == tx":                  false,
		"not call.records > 1 and dir == tx":             false,
		"dir in (tx, rx) and lat.wait > 1ms":             false,
		"kernel_user == nfs and kernel_user == nfsd":     true,
		"not (dir == tx or len > 3) and len == 9":        false, // not seen: the not stays
		"port == 1 and port == 2":                        false, // two ports
		"len >= 10 and len <= 10":                        false,
		"len > 10 and len < 12":                          false,
		"dir == tx and type == alert":                    false,
		"dir == tx or dir == rx":                         false,
		"comm in (a, b) and comm in (b, c)":              false,
		"comm != a and comm != b":                        false,
		"comm contains a and comm == b":                  false, // not looked into
		"len != 3 and len > 2":                           false,
		"laddr in 10.0.0.0/8 and laddr in 192.0.2.0/24":  false, // not looked into
		"container == web and container == 0123456789ab": false, // a name and an id
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		one, other, never := e.Never()
		if never != want || never && (one == nil || other == nil) {
			t.Errorf("%s: never %v (%v, %v), want %v", text, never, one, other, want)
		}
	}
	if _, _, never := (*Expr)(nil).Never(); never {
		t.Error("no expression never holds")
	}
}

func TestVoid(t *testing.T) {
	for text, want := range map[string]string{
		"call.records == 0":             "call.records == 0",
		"dir == rx and call.records<1":  "call.records < 1",
		"len > 16385":                   "len > 16385",
		"len in (20000, 30000)":         "len in (20000, 30000)",
		"len < 0":                       "len < 0",
		"lat.total < 0us":               "lat.total < 0s",
		"port > 65535":                  "port > 65535",
		"seq > 18446744073709551615":    "seq > 18446744073709551615",
		"len > 16384":                   "", // the byte of a type may be counted
		"len == 0":                      "",
		"len != 20000":                  "",
		"len in (1, 20000)":             "",
		"call.records != 0":             "",
		"call.records == 65535":         "",
		"not len > 16385":               "",
		"len > 16385 or dir == tx":      "",
		"pid == 0 and comm == nginx":    "",
		"version < 1.2 and type == 255": "",
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(text, err)
		}
		got := ""
		if void := e.Void(); void != nil {
			got = void.String()
		}
		if got != want {
			t.Errorf("%s: %q can hold for nothing, want %q", text, got, want)
		}
	}
}
