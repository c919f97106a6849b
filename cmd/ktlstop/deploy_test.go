package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDeployedFlags: what deploy/ passes to serve, serve has.
func TestDeployedFlags(t *testing.T) {
	flags := newServe().Flags()
	for file, want := range map[string]int{"kubernetes/ktlstop.yaml": 3, "systemd/ktlstop.service": 0, "systemd/ktlstop.default": 0} {
		text, err := os.ReadFile("../../deploy/" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`[ =]--([a-z][a-z.-]*)`).FindAllStringSubmatch(string(text), -1)
		for _, f := range found {
			if flags.Lookup(f[1]) == nil {
				t.Errorf("%s passes --%s, which serve does not have", file, f[1])
			}
		}
		if len(found) < want || !strings.Contains(string(text), "serve") {
			t.Errorf("%s passes %q", file, found)
		}
	}
}

// TestDeployedOptions: what may have a token in it is nobody else's to read.
func TestDeployedOptions(t *testing.T) {
	packages, err := os.ReadFile("../../deploy/nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)dst: /etc/default/ktlstop,.*mode: 0600`).Match(packages) {
		t.Error("/etc/default/ktlstop is not of mode 0600 in the packages")
	}
}

// TestDeployedVersion: the chart is of this release.
func TestDeployedVersion(t *testing.T) {
	chart, err := os.ReadFile("../../deploy/chart/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"\nversion: " + version + "\n", "\nappVersion: " + version + "\n"} {
		if !strings.Contains(string(chart), line) {
			t.Errorf("deploy/chart/Chart.yaml lacks %q", line)
		}
	}
}
