package main

import (
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/internal/session"
)

// What does not ask for stages, as the demo, has them.
func TestStages(t *testing.T) {
	for _, c := range []struct {
		name    string
		o       options
		without bool
		wrong   string
	}{
		{"not asked", options{}, false, ""},
		{"on", options{stages: "on"}, false, ""},
		{"off", options{stages: "off"}, true, ""},
		{"neither", options{stages: "of"}, false, "--stages of: on or off"},
		{"off with an expression", options{stages: "off", expr: new(match.Expr)}, false, "--match"},
		{"off with plaintext", options{stages: "off", snaplen: 1}, false, "-s"},
	} {
		var cfg session.Config
		err := c.o.setStages(&cfg)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
		if cfg.Loader.WithoutStages != c.without {
			t.Errorf("%s: without stages is %v", c.name, cfg.Loader.WithoutStages)
		}
	}
}
