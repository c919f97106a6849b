package vm

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed kernels.txt
var kernelsTxt string

// A Series is one line of kernels.txt: a kernel series such as "6.1" and the suites to look for it in.
type Series struct {
	Name   string
	Check  bool // only checkTests run on it
	Suites []string
}

// Matrix returns every series that ktlstop is tested on, oldest first.
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
		switch {
		case len(fields) == 0:
			continue
		case len(fields) < 3:
			return nil, fmt.Errorf("kernels.txt:%d: want a series, full or check, and suites", i+1)
		case fields[1] != "full" && fields[1] != "check":
			return nil, fmt.Errorf("kernels.txt:%d: series %s has the tests %q, not full or check", i+1, fields[0], fields[1])
		}
		m = append(m, Series{Name: fields[0], Check: fields[1] == "check", Suites: fields[2:]})
	}
	return m, nil
}

// findSeries looks a series up by name; the error lists the names there are.
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
