// Sbom writes which modules a Go program was built of, as CycloneDX JSON. All of it
// stands in the program: `go version -m` shows the same.
//
//	sbom -o ktlstop.cdx.json bin/ktlstop
package main

import (
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	out := flags.String("o", "", "the file to write; standard output if it is empty")
	version := flags.String("version", "", "the program's version")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("say one program")
	}
	info, err := buildinfo.ReadFile(flags.Arg(0))
	if err != nil {
		return fmt.Errorf("read how %s was built: %w", flags.Arg(0), err)
	}
	return write(*out, newBOM(filepath.Base(flags.Arg(0)), *version, info))
}

func write(path string, bom *cdx.BOM) error {
	file := os.Stdout
	if path != "" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		file = f
	}
	return cdx.NewBOMEncoder(file, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}

// newBOM has no time and no serial number: the same program has the same one.
func newBOM(name, version string, info *debug.BuildInfo) *cdx.BOM {
	bom := cdx.NewBOM()
	self := cdx.Component{BOMRef: purl(info.Main.Path, info.Main.Version), Type: cdx.ComponentTypeApplication, Name: name,
		Version: version, PackageURL: purl(info.Main.Path, info.Main.Version), Properties: properties(info.Settings)}
	components := []cdx.Component{{BOMRef: purl("std", strings.TrimPrefix(info.GoVersion, "go")), Type: cdx.ComponentTypeLibrary,
		Name: "std", Version: info.GoVersion, PackageURL: purl("std", strings.TrimPrefix(info.GoVersion, "go"))}}
	for _, m := range info.Deps {
		components = append(components, component(m))
	}
	bom.Metadata = &cdx.Metadata{Component: &self}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: self.BOMRef, Dependencies: refs(components)}}
	return bom
}

// component is a module, or the one that stands in for it.
func component(m *debug.Module) cdx.Component {
	if m.Replace != nil && (m.Replace.Version == "" || m.Replace.Version == "(devel)") { // a directory of the program's own sources
		return cdx.Component{BOMRef: purl(m.Path, m.Version), Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
			Properties: &[]cdx.Property{{Name: "go:replace", Value: m.Replace.Path}}}
	}
	if m.Replace != nil {
		m = m.Replace
	}
	c := cdx.Component{BOMRef: purl(m.Path, m.Version), Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
		PackageURL: purl(m.Path, m.Version)}
	if m.Sum != "" {
		// A hash of the module's tree (golang.org/ref/mod#go-sum-files), and so none of CycloneDX's, which are of files.
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
	}
	return c
}

// purl is a module's name in other tools' words: github.com/package-url/purl-spec.
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

func properties(settings []debug.BuildSetting) *[]cdx.Property {
	var all []cdx.Property
	for _, s := range settings {
		all = append(all, cdx.Property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	return &all
}

func refs(components []cdx.Component) *[]string {
	var names []string
	for _, c := range components {
		names = append(names, c.BOMRef)
	}
	return &names
}
