package vm

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const testUsage = `usage: vmtest [flags]

Builds the tests of some packages once and runs them on some kernels, all in one guest of each kernel and the last
package, which should be the one that takes longest, first. Run it in the module's root.

`

type testOptions struct {
	kernels  []string
	packages []string
	run      string
	timeout  time.Duration
	jobs     int
	smp      int
	skip     string
	verbose  bool
}

// A testBinary is the built tests of one package, or one half of them: those that match run and do
// not match skip, if these are not empty.
type testBinary struct {
	pkg, dir, file, half, run, skip string
	arch                            *arch
}

// A kernelRun has the results of one kernel.
type kernelRun struct {
	series, release string
	boot, tests     time.Duration
	results         []testResult
	logs            []string // the files with all output
}

// TestKernels is all of vmtest; it returns the exit status.
func TestKernels(args []string) int {
	o, err := parseTest(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	total, err := o.testAll(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmtest:", err)
		return 1
	}
	fmt.Println(total)
	if total.failed > 0 {
		return 1
	}
	return 0
}

func parseTest(args []string) (*testOptions, error) {
	o := &testOptions{}
	var kernels, packages string
	f := flag.NewFlagSet("vmtest", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprint(f.Output(), testUsage); f.PrintDefaults() }
	f.StringVar(&kernels, "kernels", "", "kernel `series`, separated by spaces (default all of kernels.txt, with -run those that run all tests)")
	f.StringVar(&packages, "packages", "./pkg/ktls ./e2e", "package `folders`, separated by spaces")
	f.StringVar(&o.run, "run", "", "run only tests that match this `regexp`")
	f.DurationVar(&o.timeout, "timeout", 75*time.Minute, "limit for one kernel")
	f.StringVar(&o.skip, "skip", "", "leave out tests that match this `regexp`")
	f.IntVar(&o.jobs, "jobs", 1, "kernels to run at the same time")
	f.IntVar(&o.smp, "smp", 0, "processors of each guest (default 2, or 1 with several jobs)")
	f.BoolVar(&o.verbose, "v", false, "print the tests' output")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		f.Usage()
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	o.kernels, o.packages = strings.Fields(kernels), strings.Fields(packages)
	if len(o.kernels) == 0 {
		o.kernels = o.defaults()
	}
	place := func(series string) int { // from the oldest to the newest
		return slices.IndexFunc(Matrix(), func(s Series) bool { return s.Name == series })
	}
	slices.SortStableFunc(o.kernels, func(a, b string) int { return cmp.Compare(place(a), place(b)) })
	if o.smp == 0 && o.jobs > 1 {
		o.smp = 1
	}
	return o, nil
}

// checkTests of checkPackage are the tests for a kernel that kernels.txt says to check only.
const (
	checkPackage = "./e2e"
	checkTests   = "^TestLoadAndTrace$"
)

// defaults are the kernels of a run without a list.
func (o *testOptions) defaults() []string {
	if o.runsChecks() {
		return kernelNames(full, partly, checkOnly)
	}
	return kernelNames(full)
}

// checkedKernels are all kernels that run checkTests only.
func checkedKernels() (names []string) {
	for _, s := range Matrix() {
		if s.role() == checkOnly {
			names = append(names, s.Name)
		}
	}
	return names
}

// kernelNames are the kernels with one of these uses in this run, the oldest first.
func kernelNames(uses ...string) (names []string) {
	for _, s := range Matrix() {
		if slices.Contains(uses, s.now()) {
			names = append(names, s.Name)
		}
	}
	return names
}

// runsChecks reports whether checkTests are among the tests and no others were requested.
func (o *testOptions) runsChecks() bool {
	return o.run == "" && slices.Contains(o.packages, checkPackage)
}

// checks reports whether a kernel runs checkTests only: it does unless other tests were requested.
func (o *testOptions) checks(series string) bool {
	s, err := findSeries(series)
	return err == nil && s.role() == checkOnly && o.runsChecks()
}

// testing are the kernels that run all tests.
func (o *testOptions) testing() []string {
	return slices.DeleteFunc(slices.Clone(o.kernels), func(k string) bool { return o.checks(k) || o.inPart(k) })
}

// complete reports whether every kernel that runs all tests takes part, with all tests.
func (o *testOptions) complete() bool {
	for _, name := range kernelNames(full) {
		if !slices.Contains(o.kernels, name) {
			return false
		}
	}
	return o.run == ""
}

func (o *testOptions) testAll(ctx context.Context) (tally, error) {
	tmp, err := os.MkdirTemp("", "vmtest-")
	if err != nil {
		return tally{}, err
	}
	defer os.RemoveAll(tmp)
	var binaries []testBinary
	for _, arch := range o.arches() {
		built, err := buildTests(ctx, tmp, arch, o.packages)
		if err != nil {
			return tally{}, err
		}
		binaries = append(binaries, built...)
	}
	runs := o.testKernels(ctx, binaries)
	if ctx.Err() != nil {
		return tally{}, errors.New("interrupted")
	}
	var total tally
	for _, run := range runs {
		for _, r := range run.results {
			total.add(r)
		}
	}
	for _, r := range o.missing(runs) {
		fmt.Println("FAIL", r)
		total.add(r)
	}
	return total, nil
}

// missing are the tests that no kernel ran, or not the kernel that they were left to.
func (o *testOptions) missing(runs []kernelRun) []testResult {
	missing := notRunElsewhere(runs)
	if o.complete() {
		full := slices.DeleteFunc(slices.Clone(runs), func(r kernelRun) bool { return !slices.Contains(o.testing(), r.series) })
		missing = append(missing, skippedEverywhere(full)...)
	}
	return missing
}

// arches are the processors of the kernels.
func (o *testOptions) arches() (all []*arch) {
	for _, series := range o.kernels {
		if a := archOf(series); !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// buildTests builds with the tag guest, which leaves out test files that need no kernel and take
// long.
func buildTests(ctx context.Context, tmp string, arch *arch, packages []string) ([]testBinary, error) {
	var binaries []testBinary
	for i, pkg := range packages {
		dir, err := filepath.Abs(pkg)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("no such package: %w", err)
		}
		b := testBinary{pkg: pkg, arch: arch, dir: dir, file: filepath.Join(tmp, fmt.Sprintf("%d-%s-%s.test", i, filepath.Base(dir), arch.name))}
		progressf("building the tests of %s for %s", pkg, arch.name)
		if err := run(ctx, "env", "CGO_ENABLED=0", "GOARCH="+arch.name, "go", "test", "-c", "-tags", "guest", "-o", b.file, pkg); err != nil {
			return nil, err
		}
		if _, err := os.Stat(b.file); err != nil {
			return nil, fmt.Errorf("package %s has no tests", pkg)
		}
		binaries = append(binaries, b)
	}
	return binaries, nil
}

// join adds the results of another guest of the same kernel.
func (r *kernelRun) join(part kernelRun) {
	r.release = part.release
	r.boot += part.boot
	r.tests += part.tests
	r.results = append(r.results, part.results...)
	r.logs = append(r.logs, part.logs...)
}

// testGuest boots a kernel and runs packages on it until none is left.
func (o *testOptions) testGuest(ctx context.Context, w *work, run *kernelRun) error {
	kernel, err := Fetch(ctx, run.series, false)
	if err != nil {
		return err
	}
	run.release = kernel.Release
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	begin := time.Now()
	defer func() { run.tests = time.Since(begin) - run.boot }()
	progressf("booting %s", kernel.Release)
	g, err := Boot(ctx, Config{Kernel: kernel, SMP: o.smp, Carry: w.files()})
	if err != nil {
		return err
	}
	defer g.Close()
	run.boot = g.Booted
	for b, ok := w.take(); ok; b, ok = w.take() {
		if err := o.testPackage(g, run, b); err != nil {
			return err
		}
	}
	return nil
}

// testPackage runs one binary, and adds its results.
func (o *testOptions) testPackage(g *Guest, run *kernelRun, b testBinary) error {
	file, err := createLog(run, b)
	if err != nil {
		return err
	}
	defer file.Close()
	log, status, err := o.runBinary(g, run.series, b, file)
	if log == nil {
		return err
	}
	results := log.results(status)
	if err == nil {
		err = g.checkWarnings(&results, b, file)
	}
	run.results = append(run.results, results...)
	return err
}

func createLog(run *kernelRun, b testBinary) (*os.File, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	name := filepath.Join(cache, "logs", run.series+"-"+filepath.Base(b.dir)+b.half+".log")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	run.logs = append(run.logs, name)
	return os.Create(name)
}

// runBinary runs one binary. Its log counts even if the guest dies during it; the error then says
// so.
func (o *testOptions) runBinary(g *Guest, series string, b testBinary, log io.Writer) (*testLog, Status, error) {
	fmt.Fprintf(log, "### %s\n", b.pkg)
	tests := cmp.Or(b.run, o.run)
	if o.checks(series) {
		tests = checkTests
	}
	c := Command{
		Args: []string{b.file, "-test.v=test2json", "-test.paniconexit0", "-test.run", tests, "-test.skip", either(o.skip, b.skip)},
		Env:  guestEnv(os.Environ(), series, o.told(series)),
		Dir:  b.dir,
	}
	convert, err := newConverter(b.pkg)
	if err != nil {
		return nil, Status{}, err
	}
	both := io.MultiWriter(convert, log)
	status, runErr := g.Run(c, Streams{Stdout: both, Stderr: both})
	t, err := convert.finish()
	if err != nil {
		return nil, status, err
	}
	return t, status, runErr
}

// either is a pattern that matches what any of the non-empty patterns matches.
func either(patterns ...string) string {
	return strings.Join(slices.DeleteFunc(patterns, func(p string) bool { return p == "" }), "|")
}

// taintWarn is set by the kernel's first WARN (admin-guide/tainted-kernels.rst).
const taintWarn = 1 << 9

// checkWarnings fails a package during which the kernel warned; an oops has ended the guest
// already.
func (g *Guest) checkWarnings(results *[]testResult, b testBinary, log io.Writer) error {
	var out strings.Builder
	c := Command{Args: []string{"cat", "/proc/sys/kernel/tainted"}, Env: os.Environ(), Dir: "/"}
	if _, err := g.Run(c, Streams{Stdout: &out, Stderr: io.Discard}); err != nil {
		return err
	}
	var taint int
	fmt.Sscan(out.String(), &taint)
	if taint&taintWarn == 0 || g.warned {
		return nil
	}
	g.warned = true
	*results = append(*results, testResult{pkg: b.pkg, name: "(kernel)", outcome: failed, reason: "the kernel warned, see its log"})
	c.Args = []string{"dmesg"}
	_, err := g.Run(c, Streams{Stdout: log, Stderr: log})
	return err
}

// A converter turns a test binary's output into results by way of go tool test2json.
type converter struct {
	io.Writer
	stdin io.Closer
	cmd   *exec.Cmd
	log   testLog
	done  chan error
}

func newConverter(pkg string) (*converter, error) {
	cmd := exec.Command("go", "tool", "test2json")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &converter{stdin, stdin, cmd, testLog{pkg: pkg}, make(chan error, 1)}
	go func() { c.done <- c.log.read(stdout) }()
	return c, nil
}

func (c *converter) finish() (*testLog, error) {
	c.stdin.Close()
	return &c.log, errors.Join(<-c.done, c.cmd.Wait())
}

// report prints one line, then the tests that did not pass, and the whole log if something failed.
func (o *testOptions) report(w io.Writer, run kernelRun) {
	total := count(run.results)
	if o.verbose || total.failed > 0 {
		for _, name := range run.logs {
			printLog(w, run.series, name)
		}
	}
	fmt.Fprintf(w, "kernel %s (%s): %v, boot %.0f s, tests %.0f s\n", run.series, run.release, total, run.boot.Seconds(), run.tests.Seconds())
	for _, l := range leftOut(run.results) {
		fmt.Fprintln(w, " ", l)
	}
	for _, r := range run.results {
		if r.outcome == failed {
			fmt.Fprintln(w, "  FAIL", r)
		}
	}
	for _, line := range skips(run.results) {
		fmt.Fprintln(w, "  SKIP", line)
	}
}

func printLog(w io.Writer, series, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		return // it was not reached
	}
	text = slices.DeleteFunc(text, func(c byte) bool { return c == 0x16 }) // test2json's marks
	fmt.Fprintf(w, "=== output on kernel %s ===\n%s=== end of output on kernel %s ===\n", series, text, series)
}
