package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// TestVersionText: a release says its version and revision, and a development build
// that it is one.
func TestVersionText(t *testing.T) {
	long, yes, no := strings.Repeat("0123456789", 4), true, false
	for _, c := range []struct {
		release string
		build   build
		want    string
	}{
		{"yes", build{Version: "1.2.3", Revision: long, Modified: &no}, "ktlstop 1.2.3 (012345678901)"},
		{"yes", build{Version: "1.2.3"}, "ktlstop 1.2.3"},
		{"yes", build{Version: "1.2.3", Revision: long, Modified: &yes}, "ktlstop 1.2.3 (012345678901, modified)"},
		{"", build{Version: "1.2.3", Revision: long, Modified: &no}, "ktlstop 1.2.3 (development build, 012345678901)"},
		{"", build{Version: "1.2.3", Revision: long, Modified: &yes}, "ktlstop 1.2.3 (development build, 012345678901, modified)"},
		{"", build{Version: "1.2.3"}, "ktlstop 1.2.3 (development build)"},
	} {
		release = c.release
		if got, err := versionText("text", &c.build); err != nil || got != c.want {
			t.Errorf("%q, %v, want %q", got, err, c.want)
		}
	}
	release = ""
}

// TestVersionEverywhere: files that no build makes name the version of version.go.
func TestVersionEverywhere(t *testing.T) {
	for file, pattern := range map[string]string{
		"deploy/chart/Chart.yaml":        `(?m)^(?:version|appVersion): (.*)$`,
		"deploy/kubernetes/ktlstop.yaml": `(?m)(?:app.kubernetes.io/version: |image: "ktlstop:)"?([^"\n]*)"`,
		"docs/install.md":                `(?:"version":"|ktlstop:|ktlstop_)([0-9][^"_\s]*)`,
		"CHANGELOG.md":                   `(?s)^# Changelog\n.*?\n## \[?([0-9.]+)`,
	} {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindAllSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s names no version", file)
		}
		for _, f := range found {
			if string(f[1]) != version {
				t.Errorf("%s has %q, and cmd/ktlstop/version.go %s (make kubernetes writes those of the chart)", file, f[0], version)
			}
		}
	}
}

// TestVersionOfModule: af_ktls has a version of its own, since it changes by itself;
// what DKMS calls it and what modinfo says agree.
func TestVersionOfModule(t *testing.T) {
	in := func(file, pattern string) string {
		text, err := os.ReadFile(filepath.Join("../../kmod/af_ktls", file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindSubmatch(text)
		if found == nil {
			t.Fatalf("%s names no version", file)
		}
		return string(found[1])
	}
	dkms, module := in("dkms.conf", `PACKAGE_VERSION="(.*)"`), in("sock.c", `MODULE_VERSION\("(.*)"\)`)
	if dkms != module {
		t.Errorf("dkms.conf has %s, MODULE_VERSION is %s", dkms, module)
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
