// Package release holds the test of what `make release` has built.
package release

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// dist is the folder that was built.
func dist(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KTLSTOP_DIST")
	if dir == "" {
		t.Skip("no release to look at: make release-check builds one")
	}
	return dir
}

// version is what stands in cmd/ktlstop/version.go.
func version(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^const version = "(.*)"$`).FindStringSubmatch(read(t, "../../cmd/ktlstop/version.go"))
	if found == nil {
		t.Fatal("version.go names no version")
	}
	return found[1]
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFiles: everything is there under the name that docs/install.md says, and
// nothing else.
func TestFiles(t *testing.T) {
	dir, v := dist(t), version(t)
	var got []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := []string{"NOTES.md", "SHA256SUMS", "ktlstop-" + v + ".tgz"}
	for _, end := range []string{
		"linux_amd64", "linux_arm64", "linux_riscv64", "darwin_arm64", "windows_amd64.exe",
		"amd64.deb", "arm64.deb", "x86_64.apk", "aarch64.apk", "amd64.cdx.json", "arm64.cdx.json",
		"image.tar", "man.tar.gz", "source.tar.gz",
	} {
		want = append(want, "ktlstop_"+v+"_"+end)
	}
	for _, end := range []string{"1.x86_64.rpm", "1.aarch64.rpm", "1-x86_64.pkg.tar.zst", "1-aarch64.pkg.tar.zst"} {
		want = append(want, "ktlstop-"+v+"-"+end)
	}
	module := regexp.MustCompile(`PACKAGE_VERSION="(.*)"`).FindStringSubmatch(read(t, "../../kmod/af_ktls/dkms.conf"))[1]
	want = append(want, "af-ktls-dkms_"+module+"_all.deb")
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("dist has\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestSums: SHA256SUMS has each file but itself.
func TestSums(t *testing.T) {
	dir := dist(t)
	sums := map[string]string{}
	for line := range strings.Lines(read(t, filepath.Join(dir, "SHA256SUMS"))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[name] = sum
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		sum := sha256.Sum256([]byte(read(t, filepath.Join(dir, e.Name()))))
		if e.Name() != "SHA256SUMS" && sums[e.Name()] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has another sum than SHA256SUMS says", e.Name())
		}
	}
}

// TestPrograms: each is for its system, static, of the commit, and calls itself a release.
func TestPrograms(t *testing.T) {
	dir, v := dist(t), version(t)
	for _, target := range []string{"linux_amd64", "linux_arm64", "linux_riscv64", "darwin_arm64", "windows_amd64.exe"} {
		path := filepath.Join(dir, "ktlstop_"+v+"_"+target)
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if got := settings["GOOS"] + "_" + settings["GOARCH"]; got != strings.TrimSuffix(target, ".exe") {
			t.Errorf("%s is for %s", target, got)
		}
		if settings["CGO_ENABLED"] != "0" || settings["vcs.modified"] != "false" || len(settings["vcs.revision"]) != 40 {
			t.Errorf("%s: %v", target, settings)
		}
		if strings.Contains(read(t, path), os.TempDir()+"/tmp.") {
			t.Errorf("%s names the directory that it was built in", target)
		}
	}
}

// TestChart: Helm loads the archive, and its version is the release's.
func TestChart(t *testing.T) {
	dir, v := dist(t), version(t)
	c, err := loader.Load(filepath.Join(dir, "ktlstop-"+v+".tgz"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Metadata.Version != v || c.Metadata.AppVersion != v || len(c.Templates) == 0 {
		t.Errorf("%s, %s, %d templates", c.Metadata.Version, c.Metadata.AppVersion, len(c.Templates))
	}
}

// TestSBOM: it is of this version, and names each module that is linked in.
func TestSBOM(t *testing.T) {
	dir, v := dist(t), version(t)
	info, err := buildinfo.ReadFile(filepath.Join(dir, "ktlstop_"+v+"_linux_amd64"))
	if err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(strings.NewReader(read(t, filepath.Join(dir, "ktlstop_"+v+"_amd64.cdx.json"))), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.Metadata.Component.Version != v {
		t.Errorf("version %s", bom.Metadata.Component.Version)
	}
	named := map[string]bool{}
	for _, c := range *bom.Components {
		named[c.Name] = true
	}
	for _, m := range info.Deps {
		if m.Replace != nil && m.Replace.Version != "" && m.Replace.Version != "(devel)" { // (devel): a directory of the program's own sources
			m = m.Replace
		}
		if !named[m.Path] {
			t.Errorf("%s is linked in and not in the SBOM", m.Path)
		}
	}
}

// TestNotes: they are the version's section of the changelog, and that alone.
func TestNotes(t *testing.T) {
	dir, v := dist(t), version(t)
	notes := read(t, filepath.Join(dir, "NOTES.md"))
	if strings.TrimSpace(notes) == "" || !strings.Contains(read(t, "../../CHANGELOG.md"), notes) || strings.Contains(notes, "\n## ") {
		t.Errorf("notes of %s: %s", v, fmt.Sprintf("%.200s", notes))
	}
}
