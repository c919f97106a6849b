package main

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/tap"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// options are the flags that all tracing commands share.
type options struct {
	pids         []uint
	comms        []string
	uid, cgroup  string
	netns, dir   string
	backend      string
	port         uint16
	match        string
	expr         *match.Expr // of match; nil for all
	snaplen      int
	stages       string
	output, file string
	outputBytes  int
	wait         bool            // outputs wait for their readers, since nothing gets lost meanwhile
	waitUntil    <-chan struct{} // the same, until this is closed
	count        uint64
	duration     time.Duration
	readyFile    string
	clock        *session.Clock // see liveClock
	ring         int
	payloadRing  int
	sample       string
	maxCPU       float64
	cost         bool
	wide         bool
	afar         bool     // the events come from other hosts as they happen
	hosts        bool     // lines of several hosts share the output
	reads        []string // what --read names
	readUser     string   // file
	speed        float64
	capture      captureFlags
	keep         keepFlags
	socketFilter string
	cbpf         string
	filter       *session.SocketFilter // what these two say; nil for none
	names        nameFlags
	// body, if not nil, writes payloads in text; the default is a hex dump.
	body func(dst []byte, r *event.Record) []byte
	// log writes requests as an access log does, and all else to standard error.
	log bool
	// started is called when the hooks are live.
	started func() error
	// fromFirst counts the duration from the first record on.
	fromFirst bool
}

// filterFlags choose what is traced; the kernel applies them.
func (o *options) filterFlags(f *pflag.FlagSet) {
	f.UintSliceVarP(&o.pids, "pid", "p", nil, "only this process; may be repeated")
	f.StringSliceVar(&o.comms, "comm", nil, "only processes with this name, of at most 15 bytes, or sockets of this kernel user, such as nvme_tcp or nfs; the prefix k: or kernel: of a kernel thread's name may be left out; may be repeated")
	comm := f.Lookup("comm")
	comm.Value, comm.DefValue = oneLine{comm.Value}, ""
	f.StringVarP(&o.uid, "uid", "u", "", "only this user, by name or number")
	f.StringVar(&o.cgroup, "cgroup", "", "only processes in this cgroup v2 directory or below it")
	f.StringVar(&o.netns, "netns", "", "only this network namespace: name, path or inode number")
	f.Uint16Var(&o.port, "port", 0, "only connections with this local or remote port")
	f.StringVar(&o.dir, "dir", "", "only what is sent (tx) or what is received (rx)")
	f.StringVar(&o.match, "match", "", "only where this expression holds, such as 'len > 4k and port == 443'; see ktlstop help filters")
	onlyOnce(f)
}

// filterText is the filter as it was asked for.
func filterText(flags *pflag.FlagSet) string { return strings.Join(filterWords(flags), " ") }

// shortFilter is filterText for a line on the screen: the numbers of --cbpf may fill it.
func shortFilter(flags *pflag.FlagSet) string {
	words := filterWords(flags)
	if i := slices.Index(words, "--cbpf"); i >= 0 && i+1 < len(words) {
		words[i+1] = "..."
	}
	return strings.Join(words, " ")
}

// filterWords are the flags of filterText and their values, in turn.
func filterWords(flags *pflag.FlagSet) (words []string) {
	var filters pflag.FlagSet
	new(options).filterFlags(&filters)
	new(options).socketFilterFlags(&filters)
	flags.Visit(func(f *pflag.Flag) {
		if filters.Lookup(f.Name) != nil {
			words = append(words, "--"+f.Name, strings.Trim(f.Value.String(), "[]"))
		}
	})
	return words
}

// runFlags say how long to trace and whom to tell.
func (o *options) runFlags(f *pflag.FlagSet) {
	f.DurationVar(&o.duration, "duration", 0, "stop after this time, such as 10s or 5m")
	f.StringVar(&o.readyFile, "ready-file", "", "create this file when the hooks are live")
	o.loadFlags(f)
	o.maxCPUFlag(f)
	f.BoolVar(&o.cost, "cost", false, "measure the run time of the BPF programs for the summary; the dashboard's view 5 does that by itself")
	f.IntVar(&o.payloadRing, "payload-ring-bytes", 0, "size of the ring buffer for plaintext, in bytes, a power of two")
}

// loadFlags say how the programs get into the kernel, and their events out.
func (o *options) loadFlags(f *pflag.FlagSet) {
	f.StringVar(&o.backend, "backend", loader.BackendAuto, "how to attach: ebpf (fentry; needs the kernel's type information), gobpf (kprobes; only in a ktlstop built by make build-gobpf), or auto: gobpf where the kernel has no type information")
	f.IntVar(&o.ring, "ring-bytes", 0, "size of the ring buffer for events, in bytes, a power of two")
}

// config turns the flags into the loader's words, with an error that says
// which flag is wrong.
func (o *options) config(cmd *cobra.Command) (loader.Config, error) {
	cfg := loader.Config{Backend: o.backend, Snaplen: o.snaplen, Cost: o.cost, RingBytes: o.ring, PayloadRingBytes: o.payloadRing}
	f := &cfg.Filter
	f.Cgroup, f.Port = o.cgroup, o.port
	for _, p := range o.pids {
		if p == 0 || p > 1<<22 {
			return cfg, usagef("--pid %d: not a process id", p)
		}
		f.PIDs = append(f.PIDs, uint32(p))
	}
	// An empty filter would let everything pass, which is not what somebody
	// meant whose variable was not set.
	for name, empty := range map[string]string{"comm": "[]", "uid": "", "cgroup": "", "netns": "", "dir": "", "match": "", "backend": "", "stages": ""} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == empty {
			return cfg, usagef("--%s is empty: leave it out, or say which", name)
		}
	}
	for _, check := range []func(*loader.Filter) error{o.setUID, o.setNetNS, o.setDir, o.parseMatch} {
		if err := check(f); err != nil {
			return cfg, err
		}
	}
	if o.duration < 0 {
		return cfg, usagef("--duration %v: not a time to wait", o.duration)
	}
	if cmd.Flags().Changed("port") && o.port == 0 {
		return cfg, usagef("--port 0: not a port")
	}
	if err := o.setSampling(cmd, &cfg); err != nil {
		return cfg, err
	}
	cfg.Match = o.expr
	for _, line := range slices.Concat(cannotMatch(o.expr, o.dir), oddNames(o.comms)) {
		notice(line)
	}
	if err := cfg.Check(); err != nil {
		return cfg, &usageError{err}
	}
	return cfg, nil
}

func (o *options) setUID(f *loader.Filter) error {
	if o.uid == "" {
		return nil
	}
	s := o.uid
	if u, err := user.Lookup(s); err == nil {
		s = u.Uid
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return usagef("--uid %s: there is no such user", o.uid)
	}
	uid := uint32(n)
	f.UID = &uid
	return nil
}

// setNetNS takes what ip netns, lsns and ls -l /proc/PID/ns/net show.
func (o *options) setNetNS(f *loader.Filter) error {
	if o.netns == "" {
		return nil
	}
	n, err := tap.NamespaceNumber(o.netns)
	if err != nil {
		return usagef("--netns %s: %w; give a name of ip netns list, a path like /proc/PID/ns/net, or an inode number", o.netns, err)
	}
	f.NetNS = n
	return nil
}

func (o *options) setDir(f *loader.Filter) error {
	if o.dir == "" {
		return nil
	}
	d, err := event.ParseDir(o.dir)
	if err != nil {
		return usagef("--dir: %w", err)
	}
	f.Dir = &d
	return nil
}

func (o *options) parseMatch(f *loader.Filter) error {
	e, err := match.Parse(o.match)
	if err != nil {
		return usagef("--match: %w", err)
	}
	var text string
	if text, f.Comms = named(o.match, o.comms); text != o.match {
		if e, err = match.Parse(text); err != nil {
			return usagef("--comm %s: %w", strings.Join(o.comms, ","), err)
		}
	}
	if e.Root != nil {
		o.expr = e
	}
	return nil
}

// named makes --comm a part of the expression where one of its names, which are what
// COMM shows, is that of a part of the kernel: no task has it, and the filter by names of
// tasks would keep everything of it back.
func named(expr string, comms []string) (text string, tasks []string) {
	var users []string
	for _, name := range comms {
		name = strings.TrimSpace(name)
		if user := event.TaskName(name); loader.IsKernelUser(user) {
			users = append(users, user)
		} else {
			tasks = append(tasks, name)
		}
	}
	if len(users) == 0 {
		return expr, comms
	}
	text = match.Named(tasks, users)
	if strings.TrimSpace(expr) != "" {
		text = "(" + expr + ") and (" + text + ")"
	}
	return text, nil
}

// oddNames says, a line each, what those of --comm ask for that no task may have as they are.
func oddNames(comms []string) (lines []string) {
	for _, name := range comms {
		task := event.TaskName(strings.TrimSpace(name))
		cut := event.MakeComm(task)
		switch {
		case loader.IsKernelUser(task):
		case task == "kernel:" || task == "k:":
			lines = append(lines, fmt.Sprintf("--comm %s names no kernel thread: say which, as kernel:kworker/0:1", name))
		case cut.String() != task:
			lines = append(lines, fmt.Sprintf("--comm %s: a task's name has at most 15 bytes; this asks for %s", name, cut))
		}
	}
	return lines
}

// oneLine refuses what reaches over several lines, of which a list would take the first alone.
type oneLine struct{ pflag.Value }

func (v oneLine) Set(s string) error {
	if strings.ContainsAny(s, "\r\n") {
		return errors.New(`a newline is in it: --match 'comm == "a\nb"' takes such a name`)
	}
	return v.Value.Set(s)
}

// cannotMatch says, a line each, why an expression can match nothing, or nothing of a
// direction; dir is empty for both.
func cannotMatch(expr *match.Expr, dir string) (lines []string) {
	if one, other, never := expr.Never(); never {
		lines = append(lines, fmt.Sprintf("--match can hold for nothing: %s and %s exclude each other", one, other))
	} else if dir != "" && expr != nil {
		lines = append(lines, notOfDir(expr, dir)...)
	}
	if void := expr.Void(); void != nil {
		lines = append(lines, fmt.Sprintf("--match can hold for nothing: there is no record with %s", void))
	}
	for _, n := range expr.Conjuncts() {
		t, ok := n.(*match.Test)
		if !ok || t.Field != match.Comm || t.Op != match.In {
			continue
		}
		if slices.Equal(t.Texts, []string{"kernel:"}) || slices.Equal(t.Texts, []string{"k:"}) {
			lines = append(lines, fmt.Sprintf("--match '%s' names no kernel thread: say which, as kernel:kworker/0:1", t))
		}
		if !slices.ContainsFunc(t.Texts, func(name string) bool { return !loader.IsKernelUser(name) }) {
			lines = append(lines, fmt.Sprintf("--match '%s' can hold for nothing: that is no task but a part of the kernel, which kernel_user asks for", t))
		}
	}
	return lines
}

// notOfDir says what of an expression does not go with --dir.
func notOfDir(expr *match.Expr, dir string) []string {
	both, err := match.Parse("dir == " + dir + " and (" + expr.String() + ")")
	if err != nil { // it has no room for more
		return nil
	}
	one, other, never := both.Never()
	if !never {
		return nil
	}
	return []string{fmt.Sprintf("--dir %s and --match can hold for nothing: %s and %s exclude each other", dir, one, other)}
}
