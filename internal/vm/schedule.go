package vm

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A schedule distributes the kernels to guests, some of which run at the same time. A guest runs
// the packages of its kernel one after the other; when no kernel is left to start, an unfinished
// one gets another guest, which takes packages that the first one has not started.
type schedule struct {
	mu      sync.Mutex
	kernels []*work // in the order they begin
}

// A work is the remaining work for one kernel, and its results so far.
type work struct {
	schedule *schedule
	todo     []testBinary
	begun    bool
	guests   int // that run
	run      kernelRun
}

// plan begins with the kernels that take longest: the oldest, which runs the tests that need only
// one kernel, then the newest, whose verifiers are the slowest. The kernels that are tested in part
// and those that are only checked come last and fill the gap at the end. The last package takes
// longest.
func (o *testOptions) plan(binaries []testBinary) *schedule {
	s := &schedule{}
	add := func(series string, choose func([]testBinary) []testBinary) {
		todo := choose(slices.DeleteFunc(slices.Clone(binaries), func(b testBinary) bool { return b.arch != archOf(series) }))
		s.kernels = append(s.kernels, &work{schedule: s, todo: todo, run: kernelRun{series: series, release: "not fetched"}})
	}
	testing := o.testing()
	for i := range testing {
		add(testing[(len(testing)-i)%len(testing)], o.parts)
	}
	for _, series := range o.kernels {
		if o.inPart(series) {
			add(series, partOf)
		}
	}
	for _, series := range o.kernels {
		if o.checks(series) {
			add(series, checked)
		}
	}
	return s
}

// checked is the package for kernels that are only checked.
func checked(binaries []testBinary) []testBinary {
	return slices.DeleteFunc(binaries, func(b testBinary) bool { return b.pkg != checkPackage })
}

// firstHalf are about half the tests of checkPackage by time, if all kernels were alike.
const firstHalf = "^Test[A-L]"

// parts are the packages from the last to the first. The one with the most tests is halved, so that
// a guest can run one half while another runs the other.
func (o *testOptions) parts(binaries []testBinary) (all []testBinary) {
	for _, b := range slices.Backward(binaries) {
		if b.pkg != checkPackage || o.run != "" {
			all = append(all, b)
			continue
		}
		first, second := b, b
		first.half, first.run = "-1", firstHalf
		second.half, second.skip = "-2", firstHalf
		all = append(all, second, first)
	}
	return all
}

// next chooses the kernel of the next guest: one that has not been started, else the one with most
// left to do.
func (s *schedule) next() *work {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *work
	for _, w := range s.kernels {
		switch {
		case len(w.todo) == 0:
		case !w.begun:
			w.begun = true
			w.guests++
			return w
		case best == nil || len(w.todo) > len(best.todo):
			best = w
		}
	}
	if best != nil {
		best.guests++
	}
	return best
}

// take gives a guest its next package.
func (w *work) take() (testBinary, bool) {
	w.schedule.mu.Lock()
	defer w.schedule.mu.Unlock()
	if len(w.todo) == 0 {
		return testBinary{}, false
	}
	b := w.todo[0]
	w.todo = w.todo[1:]
	return b, true
}

// files are the files for a guest that cannot see the host's: the remaining tests, their folders,
// and the program that checkTests run.
func (w *work) files() (files []string) {
	w.schedule.mu.Lock()
	defer w.schedule.mu.Unlock()
	for _, b := range w.todo {
		files = append(files, b.dir, b.file)
		if program := filepath.Join(b.dir, "../bin/ktlstop"); b.pkg == checkPackage && exists(program) {
			files = append(files, program)
		}
	}
	return files
}

// end adds the results of a guest, and reports whether it was the kernel's last one. An error is a
// failed result, and ends the work on this kernel.
func (w *work) end(part kernelRun, err error) (last bool) {
	w.schedule.mu.Lock()
	defer w.schedule.mu.Unlock()
	if err != nil {
		part.results = append(part.results, testResult{pkg: "kernel", name: part.series, outcome: failed, reason: err.Error() + w.unrun()})
		w.todo = nil
	}
	w.run.join(part)
	w.guests--
	if len(w.todo) > 0 || w.guests > 0 {
		return false
	}
	if len(w.run.results) == 0 {
		w.run.results = []testResult{{pkg: "kernel", name: part.series, outcome: failed, reason: "no test ran"}}
	}
	return true
}

// unrun names the remaining packages, for the error after which they are not run; empty if there
// are none.
func (w *work) unrun() string {
	var left []string
	for _, b := range w.todo {
		left = append(left, b.pkg+b.half)
	}
	if len(left) == 0 {
		return ""
	}
	return "; not run: " + strings.Join(left, ", ")
}

// testKernels runs the kernels, several guests at a time, and reports each kernel when it is
// finished.
func (o *testOptions) testKernels(ctx context.Context, binaries []testBinary) []kernelRun {
	s := o.plan(binaries)
	var wait sync.WaitGroup
	var reporting sync.Mutex
	for range max(1, o.jobs) {
		wait.Go(func() {
			for w := s.next(); w != nil; w = s.next() {
				part := kernelRun{series: w.run.series, release: "not fetched"}
				err := o.testGuest(ctx, w, &part)
				if w.end(part, err) {
					reporting.Lock()
					o.report(os.Stdout, w.run)
					reporting.Unlock()
				}
			}
		})
	}
	wait.Wait()
	var runs []kernelRun
	for _, w := range s.kernels {
		runs = append(runs, w.run)
	}
	return runs
}
