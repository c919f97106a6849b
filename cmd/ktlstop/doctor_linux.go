package main

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/doctor"
	"github.com/ktlstop/ktlstop/internal/doctor/facts"
	"github.com/ktlstop/ktlstop/internal/safe"
)

// doctorOptions are doctor's flags.
type doctorOptions struct {
	options
	watch time.Duration
	self  bool
}

func newDoctor() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [PID | :PORT | NAME]...",
		Short: "Say why kernel TLS is not on",
		Long: `doctor looks at the kernel, at each process that has a TCP socket and a TLS library,
at its configuration, and at its connections, and reports why kernel TLS is not on.
Each finding says what to do, and has an id that docs/doctor.md of the source
explains. Use it when ktlstop list does not show a connection that you expect.

Arguments narrow it: a number is a process, :443 a port, anything else the name of a
program. Without root doctor reports what it could not look at.

With --watch it also sees the handshakes that happen meanwhile, what programs ask
the kernel for, and what the kernel answers. Ctrl-C ends the watch and reports.`,
		Example: `  ktlstop doctor                       the host and all programs with TLS
  ktlstop doctor nginx                 one program
  ktlstop doctor :443 --watch 30s      new connections of a port
  ktlstop doctor --self                which of ktlstop's BPF programs load`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := cmd.Flags()
	f.DurationVar(&o.watch, "watch", 0, "watch handshakes and the kernel's answers for this time, such as 30s")
	f.BoolVar(&o.self, "self", false, "look at ktlstop itself: which of its BPF programs load on this kernel, what is missing and why")
	f.StringVar(&o.readyFile, "ready-file", "", "with --watch: create this file when the watch has begun")
	f.StringVarP(&o.output, "output", "o", "text", "text or json (one document; its schema is docs/schema/doctor-v1.json)")
	return cmd
}

func (o *doctorOptions) run(cmd *cobra.Command, args []string) error {
	want, err := o.check(cmd, args)
	if err != nil {
		return err
	}
	if o.self {
		return o.checksSelf(cmd.Context(), cmd.OutOrStdout())
	}
	reader := facts.NewReader("/")
	if err := o.there(want, reader); err != nil {
		return err
	}
	var report *doctor.Report
	err = endings.Busy(func() error { // a signal ends the watch, and the report is still to come
		f, err := o.look(cmd.Context(), want, reader)
		if err == nil {
			report = doctor.Examine(f)
		}
		return err
	})
	if err != nil {
		return err
	}
	return o.print(cmd.OutOrStdout(), report)
}

func (o *doctorOptions) look(ctx context.Context, want *facts.Want, r *facts.Reader) (*doctor.Facts, error) {
	if o.watch > 0 {
		return o.watched(ctx, want, r)
	}
	f := r.Look(want, nil)
	for _, port := range want.Ports {
		one := facts.Want{Ports: []uint16{port}}
		if !slices.ContainsFunc(f.Sockets, func(s doctor.Socket) bool { return one.Ends(&s.Ends) }) {
			return nil, usagef("no TCP socket has the port %d: ss -tan lists them; with --watch 30s one may come", port)
		}
	}
	return f, nil
}

// check reads the command line.
func (o *doctorOptions) check(cmd *cobra.Command, args []string) (*facts.Want, error) {
	if o.output != "text" && o.output != "json" {
		return nil, usagef("-o %s: the outputs are text and json", o.output)
	}
	if cmd.Flags().Changed("watch") && o.watch <= 0 {
		return nil, usagef("--watch %v: not a time to watch; as 30s", o.watch)
	}
	if o.self && (len(args) > 0 || o.watch > 0) {
		return nil, usagef("--self looks at ktlstop alone: leave the rest out")
	}
	if o.readyFile != "" && o.watch == 0 {
		return nil, usagef("--ready-file tells that a watch has begun: give --watch 30s too, or leave it out")
	}
	want := new(facts.Want)
	for _, a := range args {
		if err := addWanted(want, a); err != nil {
			return nil, err
		}
	}
	return want, nil
}

func addWanted(want *facts.Want, arg string) error {
	if port, ok := strings.CutPrefix(arg, ":"); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return usagef("%s is not a port: they go from :1 to :65535", arg)
		}
		want.Ports = append(want.Ports, uint16(n))
		return nil
	}
	if n, err := strconv.ParseInt(arg, 10, 64); err == nil {
		if n < 1 || n > 1<<22 {
			return usagef("%s is not a process id; a port is written as :443", arg)
		}
		want.PIDs = append(want.PIDs, int(n))
		return nil
	}
	name := commOf(arg)
	if name == "" {
		return usagef("%q names no program: leave it out, or say which", arg)
	}
	want.Comms = append(want.Comms, name)
	return nil
}

// commOf is the name that the kernel gives a program: the path's last part, cut.
func commOf(program string) string {
	name := program[strings.LastIndexByte(program, '/')+1:]
	return name[:min(len(name), 15)]
}

// there refuses what is not there. What somebody watches for may come yet, but for
// processes: nobody knows the number of one that will be.
func (o *doctorOptions) there(want *facts.Want, r *facts.Reader) error {
	names := map[string]bool{}
	for _, pid := range r.PIDs() {
		names[r.Comm(pid)] = true
	}
	for _, pid := range want.PIDs {
		if r.Comm(pid) == "" {
			return usagef("there is no process %d; a port is written as :%d", pid, pid)
		}
	}
	for _, name := range want.Comms {
		if !names[name] && o.watch == 0 {
			return usagef("no process has the name %q: ps -eo pid,comm lists them; with --watch 30s one may come", safe.String(name))
		}
	}
	return nil
}

// print writes the report and turns its verdict into an error.
func (o *doctorOptions) print(stdout io.Writer, r *doctor.Report) error {
	if err := printReport(stdout, &doctorReport{r, o.columns()}, o.output); err != nil {
		return err
	}
	if !r.Well() {
		return errOff
	}
	return nil
}

// doctorReport is a report as wide as the terminal.
type doctorReport struct {
	*doctor.Report
	width int
}

// WriteText implements report.
func (r *doctorReport) WriteText(w io.Writer) error { return r.Report.WriteText(w, r.width) }
