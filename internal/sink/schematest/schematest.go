// Package schematest checks lines of JSON against the published schema. It is
// for tests.
package schematest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ktlstop/ktlstop/docs/schema"
)

var (
	event  = sync.OnceValues(func() (*jsonschema.Schema, error) { return compile("event-v1.json", schema.EventV1) })
	doctor = sync.OnceValues(func() (*jsonschema.Schema, error) { return compile("doctor-v1.json", schema.DoctorV1) })
)

func compile(url string, text []byte) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("add the schema: %w", err)
	}
	return c.Compile(url)
}

// Check returns an error unless line is one event of schema 1, with or without
// the newline behind it.
func Check(line []byte) error { return check(event, line) }

// CheckDoctor returns an error unless doc is one of ktlstop doctor.
func CheckDoctor(doc []byte) error { return check(doctor, doc) }

func check(compiled func() (*jsonschema.Schema, error), line []byte) error {
	s, err := compiled()
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return fmt.Errorf("parse %q: %w", line, err)
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("validate %s: %w", line, err)
	}
	return nil
}

// Validate fails the test unless line is one event of schema 1.
func Validate(t testing.TB, line []byte) {
	t.Helper()
	if err := Check(line); err != nil {
		t.Error(err)
	}
}

// ValidateAll checks each line of out.
func ValidateAll(t testing.TB, out []byte) {
	t.Helper()
	for line := range bytes.Lines(out) {
		Validate(t, line)
	}
}
