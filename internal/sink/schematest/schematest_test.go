package schematest

import (
	"strings"
	"testing"
)

const good = `{"v":1,"type":"lost","ts":"2026-11-22T18:10:00.123456789Z","mono_ns":1,"cause":"gap","count":3}`

func TestCheck(t *testing.T) {
	Validate(t, []byte(good))
	ValidateAll(t, []byte(good+"\n"+good+"\n"))
	for name, bad := range map[string]string{
		"not JSON":       `{"v":1,`,
		"no version":     strings.Replace(good, `"v":1,`, ``, 1),
		"other version":  strings.Replace(good, `"v":1`, `"v":2`, 1),
		"unknown type":   strings.Replace(good, `"lost"`, `"found"`, 1),
		"short ts":       strings.Replace(good, `.123456789`, `.123`, 1),
		"no such day":    strings.Replace(good, `-22T`, `-32T`, 1),
		"negative":       strings.Replace(good, `"count":3`, `"count":-3`, 1),
		"half a range":   strings.Replace(good, `}`, `,"sock":{}}`, 1),
		"a field is off": strings.Replace(good, `"cause":"gap",`, ``, 1),
	} {
		if Check([]byte(bad)) == nil {
			t.Errorf("%s: %s passes", name, bad)
		}
	}
	if err := Check([]byte(strings.Replace(good, `}`, `,"new_field":[1]}`, 1))); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
}
