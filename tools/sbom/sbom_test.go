package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// TestOfThisProgram: the SBOM of the test's own program names the library that writes it.
func TestOfThisProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "sbom.json")
	if err := run([]string{"-o", out, "-version", "1.2.3", self}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(file, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.Metadata.Component.Version != "1.2.3" {
		t.Errorf("version %q", bom.Metadata.Component.Version)
	}
	for _, c := range *bom.Components {
		if c.Name == "github.com/CycloneDX/cyclonedx-go" && c.Version != "" {
			return
		}
	}
	t.Errorf("its own library is missing in %v", *bom.Components)
}

// TestReplacedModule: another module is named instead; a directory has no name in
// other tools' words, and must not pass for the module.
func TestReplacedModule(t *testing.T) {
	c := component(&debug.Module{Path: "a", Version: "v1", Replace: &debug.Module{Path: "b", Version: "v2+x"}})
	if c.Name != "b" || c.PackageURL != "pkg:golang/b@v2%2Bx" {
		t.Errorf("%s, %s", c.Name, c.PackageURL)
	}
	for _, version := range []string{"", "(devel)"} { // the latter is what Go writes into programs
		c = component(&debug.Module{Path: "a", Version: "v1", Replace: &debug.Module{Path: "./own", Version: version}})
		if c.Name != "a" || c.PackageURL != "" || (*c.Properties)[0].Value != "./own" {
			t.Errorf("%+v", c)
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	for _, args := range [][]string{{}, {"a", "b"}, {"/etc/hostname"}, {"/nonexistent"}} {
		if run(args) == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
