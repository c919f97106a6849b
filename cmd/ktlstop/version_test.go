package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionText(t *testing.T) {
	b := build{Version: "1.2.3", Revision: strings.Repeat("0123456789", 4)}
	for revision, want := range map[string]string{b.Revision: "ktlstop 1.2.3 (012345678901)", "": "ktlstop 1.2.3"} {
		b.Revision = revision
		if got, err := versionText("text", b); err != nil || got != want {
			t.Errorf("revision %q: %q, %v, want %q", revision, got, err, want)
		}
	}
}

// TestVersionJSON: scripts find each field, also where the build noted nothing.
func TestVersionJSON(t *testing.T) {
	stdout, stderr, status := ktlstop(t, "version", "-o", "json")
	if status != 0 || stderr != "" || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("status %d, %q, %q", status, stdout, stderr)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(stdout), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "revision", "time", "modified", "go", "os", "arch", "settings"} {
		if _, there := fields[name]; !there {
			t.Errorf("no %s in %s", name, stdout)
		}
	}
	if fields["version"] != version || fields["go"] != runtime.Version() || fields["arch"] != runtime.GOARCH {
		t.Errorf("%s", stdout)
	}
	settings, _ := fields["settings"].(map[string]any)
	if settings["-compiler"] != "gc" || settings["vcs.revision"] != nil || settings["GOARCH"] != nil {
		t.Errorf("settings %v", settings)
	}
}

// TestVersionUnstamped: what the build did not note is not known, and not no.
func TestVersionUnstamped(t *testing.T) {
	for _, c := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, `"revision":"","time":"","modified":null,`},
		{[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}, `"revision":"abc","time":"","modified":false,`},
		{[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}, `"revision":"abc","time":"","modified":true,`},
	} {
		if got, err := versionText("json", buildOf(c.settings)); err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%v: %s, %v, want %s", c.settings, got, err, c.want)
		}
	}
}
