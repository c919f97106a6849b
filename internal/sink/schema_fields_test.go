package sink

import (
	"encoding/json"
	"testing"

	"github.com/ktlstop/ktlstop/docs/schema"
)

// namedByData are objects of JSON whose keys are data and not fields.
var namedByData = map[string]bool{"lost": true, "evicted": true}

// TestSchemaHasEveryField: the schema allows fields that it does not know, so that old
// readers take new lines. Those that are written it has to describe all the same.
func TestSchemaHasEveryField(t *testing.T) {
	var root any
	if err := json.Unmarshal(schema.EventV1, &root); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	walkProperties(root, func(name string) { known[name] = true })
	for seed := range 100 {
		g := newGenerator(uint64(seed))
		for _, ev := range g.events() {
			var line any
			if err := json.Unmarshal(encode(t, ev), &line); err != nil {
				t.Fatal(err)
			}
			walkFields(line, func(name string) {
				if !known[name] {
					known[name] = true // once is enough
					t.Errorf("docs/schema/event-v1.json does not describe %q, which is written", name)
				}
			})
		}
	}
}

// walkFields calls f for the name of every field of a decoded line.
func walkFields(v any, f func(string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			walkFields(e, f)
		}
	case map[string]any:
		for name, e := range v {
			f(name)
			if !namedByData[name] {
				walkFields(e, f)
			}
		}
	}
}
