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
	"runtime"
	"strings"

	"github.com/ktlstop/ktlstop/internal/cost"
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

// sections are the sections of docs/bench.json to compare with.
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
	b, _ := os.ReadFile("/proc/cpuinfo") // an unknown processor does no harm
	_, rest, _ := strings.Cut(string(b), "model name")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(line, " \t:")
}
