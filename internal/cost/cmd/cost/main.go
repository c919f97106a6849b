// Command cost measures what tracing costs; see package cost.
//
//	vmrun -icount -- cost -ktlstop bin/ktlstop -o count-6.1.json   the modes, in a guest
//	vmrun -icount -- cost -others ...                               bpftrace and tcpdump beside them
//	vmrun -icount -- cost -tables ...                               all loads and tools, and their own processes
//	vmrun -icount -- cost -against docs/bench.json ...              try again what is dearer than that
//	cost -check docs/bench.json count-*.json                        show the modes and compare them
//	cost -show count-*.json                                         show them
//	cost -benches bench.txt -screens -o user.json                   what go test -bench printed, and the dashboard
//	cost -check-user docs/bench.json user.json                      compare what it allocates
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/cost"
	"github.com/ktlstop/ktlstop/internal/cost/probe"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

func run() error {
	var l cost.Load
	flag.IntVar(&l.Size, "size", 100, "plaintext of a record in `bytes`")
	flag.BoolVar(&l.Sendfile, "sendfile", false, "send from a file")
	flag.IntVar(&l.Conns, "conns", 1, "connections that take turns")
	load := flag.Bool("load", false, "do the work and print what it cost")
	var m measurement
	flag.StringVar(&m.program, "ktlstop", "ktlstop", "the program that traces")
	flag.IntVar(&m.runner.Rounds, "rounds", 1, "start each tool so `often`")
	flag.IntVar(&m.runner.Starts, "starts", 4, "start the work so often beside each of them")
	flag.BoolVar(&m.others, "others", false, "measure bpftrace and tcpdump too")
	flag.BoolVar(&m.tables, "tables", false, "measure all loads under all tools")
	flag.StringVar(&m.against, "against", "", "try again what is dearer than in this `file`")
	flag.StringVar(&m.out, "o", "", "write the results to this `file`")
	benches := flag.String("benches", "", "read what go test -bench printed from this `file`")
	screens := flag.Bool("screens", false, "with -benches: measure the dashboard on a terminal too")
	check := flag.String("check", "", "compare the modes in the files that follow with this `file`")
	checkUser := flag.String("check-user", "", "compare the allocations in the file that follows with this `file`")
	show := flag.Bool("show", false, "show the modes in the files that follow")
	flag.Parse()
	switch {
	case *load:
		return doLoad(l)
	case *benches != "":
		if !*screens {
			m.program = ""
		}
		return measureUser(*benches, m.program, m.out)
	case *check != "":
		return compare(*check, flag.Args())
	case *checkUser != "":
		return compareUser(*checkUser, flag.Arg(0))
	case *show:
		_, err := showModes(flag.Args())
		return err
	}
	return m.run()
}

// measureUser reads benchmarks, and with a program shows its dashboard.
func measureUser(file, program, out string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	u := cost.User{Machine: fmt.Sprintf("%s, %d processors, %s", processor(), runtime.NumCPU(), runtime.Version())}
	if u.Benches, err = cost.ReadBenches(f); err != nil {
		return err
	}
	if program != "" {
		if u.Screens, err = cost.MeasureScreens(program); err != nil {
			return err
		}
	}
	return write(out, u)
}

// showModes prints the table of the reports in files.
func showModes(files []string) ([]*cost.Report, error) {
	var all []*cost.Report
	for _, file := range files {
		var r cost.Report
		if err := read(file, &r); err != nil {
			return nil, err
		}
		all = append(all, &r)
	}
	if len(all) == 0 {
		return nil, errors.New("no file to read")
	}
	fmt.Print(cost.Table(all))
	return all, nil
}

func compare(committed string, files []string) error {
	now, err := showModes(files)
	if err != nil {
		return err
	}
	was, err := readCommitted(committed)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range now {
		of := was.Modes[r.Series()]
		notes, err := cost.Check(cost.Modes(""), r, &of)
		for _, note := range notes {
			fmt.Println("note:", note)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func compareUser(committed, file string) error {
	was, err := readCommitted(committed)
	if err != nil {
		return err
	}
	var now cost.User
	if err := read(file, &now); err != nil {
		return err
	}
	return cost.CheckAllocs(&now, &was.User)
}

// sections are those of docs/bench.json that are compared with.
type sections struct {
	Modes map[string]cost.Report
	User  cost.User
}

func readCommitted(file string) (s sections, err error) {
	err = read(file, &s)
	return s, err
}

func read(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

func write(file string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

// processor is the model that /proc/cpuinfo names.
func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo") // an unknown machine is no harm
	_, rest, _ := strings.Cut(string(b), "model name")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(line, " \t:")
}

// allowSockets makes room for the descriptors of 10,000 connections.
func allowSockets() error {
	limit := unix.Rlimit{Cur: 65536, Max: 65536}
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
}

// doLoad works on one thread without the collector: what is left is the kernel.
func doLoad(l cost.Load) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	if err := allowSockets(); err != nil {
		return err
	}
	c, err := l.Measure()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

// measurement is what is measured in the guest.
type measurement struct {
	program, against, out string
	others, tables        bool

	runner cost.Runner
	report cost.Report
}

func (m *measurement) run() error {
	if err := m.prepare(); err != nil {
		return err
	}
	measure := m.modes
	if m.tables {
		measure = m.allLoads
	}
	if err := measure(); err != nil {
		return err
	}
	return write(m.out, m.report)
}

func (m *measurement) prepare() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Without udev nobody else loads what makes AES fast.
	if out, err := exec.Command("modprobe", "-a", "tls", "aesni_intel").CombinedOutput(); err != nil {
		return fmt.Errorf("modprobe: %w: %s", err, out)
	}
	binary, err := os.Stat(m.program)
	if err != nil {
		return err
	}
	m.report = cost.Report{Kernel: kernel(), Emulator: "QEMU -icount shift=0,sleep=off", Binary: binary.Size()}
	m.runner.Self, m.runner.Readers = self, m.tables
	m.runner.Progress = func(r cost.Result) {
		fmt.Fprintf(os.Stderr, "%s %-26s %-36v %6.0f + %6.0f\n", m.report.Series(), r.Tool, r.Load, r.Cost.Send, r.Cost.Recv)
	}
	if m.report.Read, err = probe.ReadKernel(cost.Whole.Size); err != nil || m.against == "" {
		return err
	}
	was, err := readCommitted(m.against)
	if err != nil {
		return err
	}
	of := was.Modes[m.report.Series()]
	m.runner.Enough = m.report.Enough(cost.Modes(m.program), &of)
	return nil
}

// modes measures the untraced twins before and after all others: they have as
// many ways through the kernel.
func (m *measurement) modes() error {
	modes := cost.Modes(m.program)
	var others []cost.Mode
	if m.others {
		script, err := cost.WriteScript(os.TempDir())
		if err != nil {
			return err
		}
		others = cost.Others(script)
	}
	if err := m.untraced(); err != nil {
		return err
	}
	for _, mode := range modes {
		if err := m.add(&mode.Tool, mode.Load); err != nil {
			return err
		}
	}
	for _, mode := range others {
		if err := m.add(&mode.Tool, mode.Load); err != nil {
			m.report.Lacks(mode.Name, err)
		}
	}
	return m.untraced()
}

func (m *measurement) untraced() error {
	return m.add(&cost.Tool{Name: cost.Untraced}, cost.Small, cost.Whole)
}

func (m *measurement) add(tool *cost.Tool, loads ...cost.Load) error {
	results, err := m.runner.Measure(tool, loads...)
	m.report.Add(results...)
	return err
}

// allLoads starts each tool once for the sizes, and the first anew for each crowd,
// which their memory shows.
func (m *measurement) allLoads() error {
	script, err := cost.WriteScript(os.TempDir())
	if err != nil {
		return err
	}
	tools := []cost.Tool{{Name: cost.Untraced}}
	for _, mode := range cost.Modes(m.program) {
		tools = append(tools, mode.Tool)
	}
	tools = append(tools, cost.MoreTools(m.program)...)
	for _, mode := range cost.Others(script) {
		tools = append(tools, mode.Tool)
	}
	for _, tool := range append(tools, cost.Strace) {
		if err := m.add(&tool, cost.Sizes...); err != nil {
			return err
		}
	}
	m.runner.Starts = 1
	for _, load := range cost.Crowds {
		for _, tool := range tools[:3] { // untraced, the dashboard, events
			tool.Counts = false // a snapshot of so many connections is long
			if err := m.add(&tool, load); err != nil {
				return err
			}
		}
	}
	return nil
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return "Linux " + unix.ByteSliceToString(u.Release[:])
}
