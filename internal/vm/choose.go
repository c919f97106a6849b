package vm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// minImageKB is the smallest installed size of a linux-image package with modules. From 6.19 on
// linux-image is an empty package that only depends on linux-binary and linux-modules.
const minImageKB = 10_000

// A pkg has the fields of apt-cache's output that are needed here.
type pkg struct {
	name, version string
	size          int64 // bytes to download
	installedKB   int64
}

// A candidate is one kernel release and its packages.
type candidate struct {
	release string // as uname -r prints it
	pkgs    []pkg
}

// choose returns the newest complete kernel of a series.
func choose(s Series, pkgs []pkg) (candidate, error) {
	var best candidate
	for _, c := range complete(pkgs, s.ending()) {
		if inSeries(c.release, s.number()) && (best.release == "" || compareVersions(c.release, best.release) > 0) {
			best = c
		}
	}
	if best.release == "" {
		return best, fmt.Errorf("no complete kernel %s in its suites; complete there: %s", s.Name, listReleases(pkgs, s.ending()))
	}
	return best, nil
}

func inSeries(release, series string) bool { return strings.HasPrefix(release, series+".") }

// complete returns every release of a flavour for which an image and its modules are available.
func complete(pkgs []pkg, ending string) []candidate {
	byName := map[string]pkg{}
	for _, p := range pkgs {
		if old, ok := byName[p.name]; !ok || compareVersions(p.version, old.version) > 0 {
			byName[p.name] = p
		}
	}
	var found []candidate
	for name := range byName {
		release, ok := strings.CutPrefix(name, "linux-image-")
		if !ok || !isFlavour(release, ending) {
			continue
		}
		if c, ok := assemble(release, byName); ok {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b candidate) int { return compareVersions(a.release, b.release) })
	return found
}

// bareRelease is a release without its flavour and processor: "6.1.0-50", "7.3.4+deb13".
var bareRelease = regexp.MustCompile(`^\d[^-]*(-\d+)?$`)

// isFlavour distinguishes the plain kernels from -cloud-amd64 and -rt-amd64, and all of them from
// metapackages such as linux-image-amd64.
func isFlavour(release, ending string) bool {
	base, ok := strings.CutSuffix(release, "-"+ending)
	return ok && bareRelease.MatchString(base)
}

func assemble(release string, byName map[string]pkg) (candidate, bool) {
	if image := byName["linux-image-"+release]; image.installedKB >= minImageKB {
		return candidate{release, []pkg{image}}, true
	}
	modules, ok := byName["linux-modules-"+release]
	if !ok {
		return candidate{}, false
	}
	for _, prefix := range []string{"linux-binary-", "linux-binary-unsigned-"} {
		if binary, ok := byName[prefix+release]; ok {
			return candidate{release, []pkg{binary, modules}}, true
		}
	}
	return candidate{}, false
}

func listReleases(pkgs []pkg, ending string) string {
	var names []string
	for _, c := range complete(pkgs, ending) {
		names = append(names, c.release)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
