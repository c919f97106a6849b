package sink

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/docs/schema"
	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/sink/schematest"
)

const eventsDoc = "../../docs/events.md"

func readDoc(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile(eventsDoc)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// TestDocExamples runs the commands of docs/events.md over the golden file.
func TestDocExamples(t *testing.T) {
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("jq is not installed; apt-get install jq runs the examples of docs/events.md")
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```\n```text\n(.*?)```").FindAllStringSubmatch(readDoc(t), -1)
	if len(blocks) < 5 {
		t.Fatalf("%d examples found", len(blocks))
	}
	for _, b := range blocks {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", b[1])
		cmd.Dir = "testdata"
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != b[2] {
			t.Errorf("%sgives (%v)\n%swant\n%s", b[1], err, out, b[2])
		}
	}
}

// TestDocNamesEveryCause: pkg/loader tests those that are its own.
func TestDocNamesEveryCause(t *testing.T) {
	doc := readDoc(t)
	for _, cause := range []string{flow.CauseGap, CauseOutput, CauseOutputEvents, CauseFeed, CauseFeedEvents} {
		if !strings.Contains(doc, "`"+cause+"`") {
			t.Errorf("docs/events.md does not name `%s`", cause)
		}
	}
}

func TestDocRecordsAreValid(t *testing.T) {
	lines := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(readDoc(t), -1)
	if len(lines) == 0 {
		t.Fatal("no example")
	}
	golden, err := os.ReadFile("testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		schematest.ValidateAll(t, []byte(l[1]))
		if !strings.Contains(string(golden), l[1]) {
			t.Errorf("the encoder does not write %s", l[1])
		}
	}
}

// TestDocNamesEveryField compares the reference with the schema.
func TestDocNamesEveryField(t *testing.T) {
	doc := readDoc(t)
	var v any
	if err := json.Unmarshal(schema.EventV1, &v); err != nil {
		t.Fatal(err)
	}
	seen := 0
	walkProperties(v, func(name string) {
		seen++
		if !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("docs/events.md does not name `%s`", name)
		}
	})
	if seen < 60 {
		t.Errorf("only %d fields in the schema", seen)
	}
}

// TestSchemaDescribesEveryField makes sure that no field is without a word.
func TestSchemaDescribesEveryField(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(schema.EventV1, &root); err != nil {
		t.Fatal(err)
	}
	for kind, def := range root["$defs"].(map[string]any) {
		if def.(map[string]any)["description"] == nil {
			t.Errorf("%s has no description", kind)
		}
	}
}

// walkProperties calls f for the name of every property of a schema.
func walkProperties(v any, f func(string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			walkProperties(e, f)
		}
	case map[string]any:
		if props, ok := v["properties"].(map[string]any); ok {
			for name := range props {
				f(name)
			}
		}
		for _, e := range v {
			walkProperties(e, f)
		}
	}
}
