// Command cost measures what tracing costs; see package cost.
//
//	vmrun -icount -- cost -ktlstop bin/ktlstop -o tracer.json   in a guest
//	cost -benches bench.txt -screens -o user.json               what go test -bench printed, and the dashboard
//	vmrun -icount -- cost -against docs/bench.json ...          only what is compared
//	cost -check docs/bench.json tracer.json user.json           compare one or both
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
	program := flag.String("ktlstop", "ktlstop", "the program that traces")
	against := flag.String("against", "", "measure only what -check compares with this `file`")
	out := flag.String("o", "", "write the results to this `file`")
	benches := flag.String("benches", "", "read what go test -bench printed from this `file`")
	screens := flag.Bool("screens", false, "with -benches: measure the dashboard on a terminal too")
	check := flag.String("check", "", "compare the files that follow with this `file`")
	flag.Parse()
	switch {
	case *load:
		return doLoad(l)
	case *benches != "":
		if !*screens {
			*program = ""
		}
		return measureUser(*benches, *program, *out)
	case *check != "":
		return compare(*check, flag.Args())
	}
	return measure(*program, *out, *against)
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

func compare(committed string, files []string) error {
	was, err := readCommitted(committed)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("no file to compare")
	}
	var errs []error
	for _, file := range files {
		var now struct {
			cost.Report
			cost.User
		}
		if err := read(file, &now); err != nil {
			return err
		}
		if now.Benches != nil {
			errs = append(errs, cost.CheckAllocs(&now.User, &was.User))
			continue
		}
		if now.Kernel != was.Tracer.Kernel {
			fmt.Printf("note: measured on %s, committed is %s\n", now.Kernel, was.Tracer.Kernel)
		}
		errs = append(errs, cost.Check(&now.Report, &was.Tracer))
	}
	return errors.Join(errs...)
}

// sections are those of docs/bench.json that this package makes.
type sections struct {
	Tracer cost.Report
	User   cost.User
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

// measure runs the matrix and writes a report. It runs in the guest.
func measure(program, out, against string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Without udev nobody else loads what makes AES fast.
	if out, err := exec.Command("modprobe", "-a", "tls", "aesni_intel").CombinedOutput(); err != nil {
		return fmt.Errorf("modprobe: %w: %s", err, out)
	}
	matrices := []cost.Matrix{{Tools: cost.Modes(program), Loads: cost.Sizes, Self: self}}
	if against != "" {
		was, err := readCommitted(against)
		if err != nil {
			return err
		}
		matrices[0].Loads, matrices[0].Known = cost.Sizes[:1], &was.Tracer
	} else {
		others, err := cost.Others(os.TempDir())
		if err != nil {
			return err
		}
		matrices = append(matrices, cost.Matrix{Tools: cost.Modes(program), Loads: cost.Crowds, Self: self},
			cost.Matrix{Tools: others, Loads: cost.Sizes, Self: self})
	}
	binary, err := os.Stat(program)
	if err != nil {
		return err
	}
	report := cost.Report{Kernel: kernel(), Emulator: "QEMU -icount shift=0,sleep=off", Binary: binary.Size()}
	for _, m := range matrices {
		r, err := m.Measure(func(r cost.Result) {
			fmt.Fprintf(os.Stderr, "%-26s %-36v %6.0f + %6.0f\n", r.Tool, r.Load, r.Cost.Send, r.Cost.Recv)
		})
		if err != nil {
			return err
		}
		report.Counted = append(report.Counted, r...)
	}
	return write(out, report)
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return "Linux " + unix.ByteSliceToString(u.Release[:])
}
