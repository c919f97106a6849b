package vm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Exit statuses of vmrun itself; all others are the command's.
const (
	exitTimeout = 124 // like timeout(1)
	exitFailed  = 125 // no guest, or it died
)

const runUsage = `usage: vmrun [flags] -- COMMAND [ARG ...]

Boots a stock Debian kernel under QEMU and runs COMMAND of this machine in it. The guest sees this machine's files;
what it writes is gone afterwards, except below directories named with -share. vmrun exits as COMMAND does, with
124 after -timeout and 125 when there is no guest.

A kernel for another processor, such as 6.12-arm64, has a Debian of its own, and of this machine's files those that are
not the system's. In the place of the folder of vmrun it has arm64 in that folder.

  vmrun -kernel 6.12 -- uname -r
  go test -exec "vmrun -kernel 6.1" ./pkg/ktls

`

type runOptions struct {
	config  Config
	series  string
	update  bool
	timeout time.Duration
	console string
	shares  stringList
	files   stringList
	args    []string
}

type stringList []string

func (l *stringList) String() string     { return strings.Join(*l, ",") }
func (l *stringList) Set(s string) error { *l = append(*l, s); return nil }

// RunMain is all of vmrun; it returns the exit status.
func RunMain(args []string) int {
	o, err := parseRun(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	status, err := o.run()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Fprintf(os.Stderr, "vmrun: time limit of %v reached: %v\n", o.timeout, err)
		return exitTimeout
	case err != nil:
		fmt.Fprintln(os.Stderr, "vmrun:", err)
		return exitFailed
	case status.Err != "":
		fmt.Fprintln(os.Stderr, "vmrun:", status.Err)
	}
	return status.ExitCode()
}

func parseRun(args []string) (*runOptions, error) {
	o := &runOptions{}
	f := flag.NewFlagSet("vmrun", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprint(f.Output(), runUsage); f.PrintDefaults() }
	f.StringVar(&o.series, "kernel", "6.1", "kernel `series`, one of kernels.txt")
	f.BoolVar(&o.update, "update", false, "look for a newer package of the series")
	f.IntVar(&o.config.SMP, "smp", 2, "number of processors")
	f.IntVar(&o.config.MemMB, "mem", 2048, "memory in MB")
	f.BoolVar(&o.config.Icount, "icount", false, "one processor, one ns of guest time for each instruction")
	f.StringVar(&o.config.Append, "append", "", "more `words` for the kernel's command line")
	f.DurationVar(&o.timeout, "timeout", 0, "end the guest after this time (default 10m; none with a terminal)")
	f.StringVar(&o.console, "console", "", "write the guest's console to `file`")
	f.Var(&o.shares, "share", "host `directory` the guest may write to (repeatable)")
	f.Var(&o.files, "file", "host `file`, with its libraries, for a guest that cannot see this machine's files, as those of cloud kernels (repeatable)")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if o.args = f.Args(); len(o.args) == 0 {
		f.Usage()
		return nil, errors.New("no command")
	}
	return o, nil
}

func (o *runOptions) run() (Status, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Status{}, err
	}
	if o.config.Shares, err = allShares(o.shares, dir, o.args); err != nil {
		return Status{}, err
	}
	if o.config.Carry, err = allFiles(o.files, dir, o.args[0]); err != nil {
		return Status{}, err
	}
	if o.console != "" {
		f, err := os.Create(o.console)
		if err != nil {
			return Status{}, err
		}
		defer f.Close()
		o.config.Console = f
	}
	if o.config.Kernel, err = o.fetch(); err != nil {
		return Status{}, err
	}
	return o.runIn(dir)
}

// fetch takes as long as the network does; a signal ends it, and leaves no incomplete kernel.
func (o *runOptions) fetch() (*Kernel, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return Fetch(ctx, o.series, o.update)
}

// runIn boots the guest and runs the command in it. A signal during the boot ends everything: QEMU
// ends with this process.
func (o *runOptions) runIn(dir string) (Status, error) {
	t := newTerminal()
	ctx, cancel := o.limit(t.interactive)
	defer cancel()
	if t.stderr {
		progressf("booting %s", o.config.Kernel.Release)
	}
	g, err := Boot(ctx, o.config)
	if err != nil {
		return Status{}, err
	}
	defer g.Close()
	signals, stop := watchSignals()
	defer stop()
	resize, restore, err := t.begin()
	if err != nil {
		return Status{}, err
	}
	defer restore()
	c := Command{Args: o.args, Env: guestEnv(os.Environ(), o.series, []string{o.series}), Dir: dir, TTY: t.interactive, Size: t.size()}
	return g.Run(c, Streams{os.Stdin, os.Stdout, os.Stderr, resize, signals})
}

// limit is the time limit of the guest; without the flag, an interactive run has none.
func (o *runOptions) limit(interactive bool) (context.Context, context.CancelFunc) {
	if o.timeout == 0 && interactive {
		return context.WithCancel(context.Background())
	}
	if o.timeout == 0 {
		o.timeout = 10 * time.Minute
	}
	return context.WithTimeout(context.Background(), o.timeout)
}

// envNames and envPrefixes are the variables of this machine's environment that a command gets.
var (
	envNames    = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "NO_COLOR", "CLICOLOR_FORCE", "LANG", "TZ", "TMPDIR", "CI"}
	envPrefixes = []string{"GO", "CGO_", "KTLSTOP_", "LC_"}
)

// systemPath is the PATH in a root of its own. Other directories in the machine's PATH are for the
// machine's processor.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// guestEnv selects the variables of env that concern the command and adds those that name its
// kernel, and the other kernels of the run.
func guestEnv(env []string, series string, all []string) []string {
	var keep []string
	for _, e := range env {
		if name, _, _ := strings.Cut(e, "="); passedOn(name) && (name != "PATH" || archOf(series).ownRoot()) {
			keep = append(keep, e)
		}
	}
	if !archOf(series).ownRoot() {
		keep = append(keep, "PATH="+systemPath)
	}
	return append(keep, "KTLSTOP_GUEST=1", "KTLSTOP_KERNEL="+series, "KTLSTOP_KERNELS="+strings.Join(all, " "), "KTLSTOP_CHECKED="+strings.Join(checkedKernels(), " "))
}

func passedOn(name string) bool {
	if slices.Contains([]string{"KTLSTOP_GUEST", "KTLSTOP_KERNEL", "KTLSTOP_KERNELS", "KTLSTOP_CHECKED"}, name) {
		return false
	}
	for _, n := range envNames {
		if name == n {
			return true
		}
	}
	for _, p := range envPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
