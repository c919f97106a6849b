package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefuses: what would be no release is refused with one line that says why, before
// anything is built.
func TestRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		prepare string // of a repository with version 1.2.3, all committed
		want    string
	}{
		"dirty":         {`echo more >> CHANGELOG.md`, "the tree is not clean: commit or stash CHANGELOG.md"},
		"untracked":     {`echo > new`, "the tree is not clean: commit or stash new"},
		"no section":    {`sed -i s/1.2.3/1.2.2/ CHANGELOG.md; git commit -qam x`, `CHANGELOG.md has no section "## 1.2.3"`},
		"empty section": {`printf '# Changelog\n\n## 1.2.3\n\n## 1.2.2\n\n- old\n' > CHANGELOG.md; git commit -qam x`, `CHANGELOG.md has no section "## 1.2.3"`},
		"longer":        {`sed -i s/1.2.3/1.2.30/ CHANGELOG.md; git commit -qam x`, `CHANGELOG.md has no section "## 1.2.3"`},
		"other tag":     {`sed -i s/,.unreleased// CHANGELOG.md; git commit -qam x; git tag v1.2.4`, "this commit has the tag v1.2.4, and cmd/ktlstop/version.go says 1.2.3"},
		"old tag":       {`sed -i s/,.unreleased// CHANGELOG.md; git commit -qam x; git tag v1.2.3; echo more >> CHANGELOG.md; git commit -qam x`, "the tag v1.2.3 is at another commit"},
		"unreleased":    {`git tag v1.2.3`, "this commit has the tag v1.2.3, and CHANGELOG.md says that 1.2.3 is unreleased"},
		"old library":   {`git tag pkg/ktls/v1.0.0; echo more >> pkg/ktls/doc.go; git add -A; git commit -qm x`, "go.mod names pkg/ktls/v1.0.0, and pkg/ktls has changed since"},
		"no version":    {`echo package main > cmd/ktlstop/version.go; git commit -qam x`, "cmd/ktlstop/version.go names no version"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := repository(t)
			shell(t, dir, c.prepare)
			cmd := exec.Command("deploy/release.sh", filepath.Join(t.TempDir(), "dist"))
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err == nil || strings.Count(string(out), "\n") != 1 || !strings.HasPrefix(string(out), "release: "+c.want) {
				t.Errorf("%v, %q, want %q", err, out, c.want)
			}
		})
	}
}

// repository is one with release.sh and what it reads first.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	shell(t, dir, `git init -q && git config user.name test && git config user.email test@localhost && mkdir -p cmd/ktlstop deploy pkg/ktls`)
	for name, text := range map[string]string{
		"cmd/ktlstop/version.go": "package main\n\nconst version = \"1.2.3\"\n",
		"go.mod":                 "module github.com/ktlstop/ktlstop\n\nrequire (\n\tgithub.com/ktlstop/ktlstop/pkg/ktls v1.0.0\n\tgithub.com/other/thing v1.2.3\n)\n",
		"pkg/ktls/doc.go":        "package ktls\n",
		"CHANGELOG.md":           "# Changelog\n\n## 1.2.3, unreleased\n\n- new\n\n## 1.2.2\n\n- old\n",
		"deploy/release.sh":      read(t, "../../deploy/release.sh"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	shell(t, dir, `git add . && git commit -qm first`)
	return dir
}

func shell(t *testing.T, dir, script string) {
	t.Helper()
	cmd := exec.Command("bash", "-euc", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v, %s", script, err, out)
	}
}
