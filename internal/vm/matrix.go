package vm

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed kernels.txt
var kernelsTxt string

// A Series is one line of kernels.txt: a kernel series such as "6.1" and the suites to look for it in.
type Series struct {
	Name   string
	Use    string // which tests run on it with each change: full, part, check or types
	Before string // the same before a release, by make test-all
	Suites []string
}

// The uses of a kernel.
const (
	full      = "full"
	partly    = "part"  // partTests run on it
	checkOnly = "check" // only checkTests run on it
	typesOnly = "types" // it is not booted: only the types in its packages are examined
)

var uses = []string{full, partly, checkOnly, typesOnly}

// now is the use of the series in this run. KTLSTOP_ALL=1 (make test-all) is a run before a
// release.
func (s *Series) now() string {
	if os.Getenv("KTLSTOP_ALL") != "" {
		return s.Before
	}
	return s.Use
}

// role is the use in a run that names the series: the use now, or that before a release if there is
// none now.
func (s *Series) role() string {
	if s.now() == typesOnly {
		return s.Before
	}
	return s.now()
}

// boots reports whether it is ever booted.
func (s *Series) boots() bool { return s.Use != typesOnly || s.Before != typesOnly }

// ending is Debian's suffix for the releases of this series, by flavour and processor: "amd64",
// "rt-amd64", "arm64-16k". The name of a series omits amd64.
func (s *Series) ending() string {
	_, ending, flavoured := strings.Cut(s.Name, "-")
	switch arch := s.arch().name; {
	case !flavoured:
		return arch
	case !slices.Contains(strings.Split(ending, "-"), arch):
		return ending + "-" + arch
	}
	return ending
}

func (s *Series) arch() *arch { return archOf(s.Name) }

// apt is the apt of this series' lists. Its flavours are in the same suites.
func (s *Series) apt(cache string) apt {
	room := s.number()
	if a := s.arch(); a != arches[0] {
		room += "-" + a.name
	}
	return apt{filepath.Join(cache, "apt", room), s.arch().name}
}

// number is the series without its flavour and processor.
func (s *Series) number() string {
	number, _, _ := strings.Cut(s.Name, "-")
	return number
}

// Matrix returns every series of kernels.txt, in order: oldest first.
func Matrix() []Series {
	m, err := parseMatrix(kernelsTxt)
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return m
}

func parseMatrix(text string) ([]Series, error) {
	var m []Series
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 3 {
			return nil, fmt.Errorf("kernels.txt:%d: want a series, what it is for, and suites", i+1)
		}
		use, before, two := strings.Cut(fields[1], "/")
		if !two {
			before = use
		}
		if !slices.Contains(uses, use) || !slices.Contains(uses, before) {
			return nil, fmt.Errorf("kernels.txt:%d: series %s is for %q: each may be %s", i+1, fields[0], fields[1], strings.Join(uses, ", "))
		}
		m = append(m, Series{Name: fields[0], Use: use, Before: before, Suites: fields[2:]})
	}
	return m, nil
}

// findSeries looks a series up by name; the error lists the existing names.
func findSeries(name string) (Series, error) {
	var names []string
	for _, s := range Matrix() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Series{}, fmt.Errorf("unknown kernel series %q: the matrix has %s", name, strings.Join(names, ", "))
}
