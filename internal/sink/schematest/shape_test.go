package schematest

import (
	"strings"
	"testing"
)

// TestShape: lines that differ in numbers, times and plaintext have one shape; a
// word, a key or a 0 more is another one.
func TestShape(t *testing.T) {
	const line = `{"type":"record","ts":"2026-11-22T18:10:00.12Z","seq":7,"len":0,"card":true,"comm":"a\"1"}`
	for other, same := range map[string]bool{
		line: true,
		`{"type":"record","ts":"2025-01-02T08:00:00.345Z","seq":123,"len":0,"card":true,"comm":"a\"23"}`: true,
		`{"type":"record","ts":"2026-11-22T18:10:00.12Z","seq":7,"len":1,"card":true,"comm":"a\"1"}`:     false,
		`{"type":"record","ts":"2026-11-22T18:10:00.12Z","seq":-7,"len":0,"card":true,"comm":"a\"1"}`:    false,
		`{"type":"lost","ts":"2026-11-22T18:10:00.12Z","seq":7,"len":0,"card":true,"comm":"a\"1"}`:       false,
		`{"type":"record","ts":"2026-11-22T18:10:00.12Z","seq":7,"len":0,"card":false,"comm":"a\"1"}`:    false,
		`{"type":"record","ts":"2026-11-22T18:10:00.12Z","seq":7,"len":0,"card":true,"comm":"b"}`:        false,
	} {
		if (shape([]byte(other)) == shape([]byte(line))) != same {
			t.Errorf("%s has the shape %s, %s has %s", line, shape([]byte(line)), other, shape([]byte(other)))
		}
	}
	for a, b := range map[string]string{
		`{"data":"QUFB"}`: `{"data":"QkJCQg=="}`,
		`{"text":"` + strings.Repeat("QUFB", 20) + `"}`: `{"text":"` + strings.Repeat("QkJC", 30) + `"}`,
	} {
		if shape([]byte(a)) != shape([]byte(b)) {
			t.Errorf("%s and %s differ", a, b)
		}
	}
	for _, broken := range []string{`{"a":"`, `{"a":"\`, `{"a":1`, ""} {
		shape([]byte(broken))
	}
}

// TestValidateShape: a shape that was good once is good again, and one that was bad
// is found each time.
func TestValidateShape(t *testing.T) {
	for _, line := range []string{good, strings.Replace(good, `"count":3`, `"count":4`, 1)} {
		ValidateShape(t, []byte(line))
	}
	bad := []byte(strings.Replace(good, `"cause":"gap"`, `"cause":7`, 1))
	for range 2 {
		var found failing
		ValidateShape(&found, bad)
		if found.errors != 1 {
			t.Errorf("%d errors in %s", found.errors, bad)
		}
	}
}

// failing counts a test's errors.
type failing struct {
	testing.TB
	errors int
}

func (f *failing) Helper()      {}
func (f *failing) Error(...any) { f.errors++ }
