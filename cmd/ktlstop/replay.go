package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/internal/tui"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// readFlag takes the events from files, or from other hosts, instead of the kernel.
func (o *options) readFlag(f *pflag.FlagSet) {
	f.StringArrayVar(&o.reads, "read", nil, "show a recording of ktlstop trace -o json -w FILE or of a flight recorder, or what ktlstop serve sees at https://HOST:9998; needs no root; may be repeated: several files or hosts are shown together")
	f.StringVar(&o.readUser, "read-user-file", "", "with --read URL: a file whose first line is USER:PASSWORD, for hosts that ask for it")
}

// readFlags are those that --read takes beside those that acted when it was recorded.
var readFlags = []string{"read", "read-user-file"}

// checkRead refuses the flags that act in the kernel, which has no part in it.
func (o *options) checkRead(cmd *cobra.Command, allowed ...string) (err error) {
	urls := 0
	for _, name := range o.reads {
		if name == "" {
			return usagef("--read is empty: name a FILE, or a URL with http or https")
		}
		switch scheme, _, hasScheme := strings.Cut(name, "://"); {
		case source.IsURL(name):
			urls++
		case hasScheme && !strings.Contains(scheme, "/"):
			return usagef("--read %s: it takes a FILE, or a URL with http or https", name)
		}
	}
	if urls > 0 && urls < len(o.reads) {
		return usagef("--read takes files or URLs, not both at once")
	}
	allowed = append(allowed, readFlags...)
	if urls > 0 {
		allowed = append(allowed, feedFlags...)
	} else if o.readUser != "" {
		return usagef("--read-user-file works with --read URL alone")
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && !slices.Contains(allowed, f.Name) {
			err = refusedByRead(f, urls > 0)
		}
	})
	return err
}

// refusedByRead says why --read does not take a flag and, for a filter of another host's
// events, what does the same.
func refusedByRead(f *pflag.Flag, url bool) error {
	name := "--" + f.Name
	if f.Name == "snaplen" {
		name = "-s"
	}
	if !url {
		return usagef("%s does not work with --read FILE: it acts while events are recorded", name)
	}
	if test := asMatch(f); test != "" {
		return usagef("%s does not work with --read URL; use --match '%s'", name, test)
	}
	return usagef("%s does not work with --read URL: it acts on the host that traces", name)
}

// asMatch is what --match says instead of a filter flag, empty for another flag. What
// the flag has by name is a number there.
func asMatch(f *pflag.Flag) string {
	switch f.Name {
	case "dir":
		return "dir == " + f.Value.String()
	case "port", "pid", "uid", "netns", "cgroup":
	default:
		return ""
	}
	numbers := strings.Split(strings.Trim(f.Value.String(), "[]"), ",")
	if len(numbers) > 1 {
		return f.Name + " in (" + strings.Join(numbers, ", ") + ")"
	}
	if _, err := strconv.ParseUint(numbers[0], 10, 64); err != nil {
		numbers[0] = "NUMBER"
	}
	return f.Name + " == " + numbers[0]
}

// recordings are files that --read names.
type recordings struct {
	readers []*source.Reader
	files   []io.Closer
}

func openRecordings(names []string) (*recordings, error) {
	r := new(recordings)
	for _, name := range names {
		reader, file, err := source.Open(name)
		if err != nil {
			r.Close()
			return nil, err
		}
		r.readers, r.files = append(r.readers, reader), append(r.files, file)
	}
	return r, nil
}

// reportRest says of which of them lines were left out, and which ended without a summary.
func (r *recordings) reportRest(names []string) {
	for i, one := range r.readers {
		if n := one.SkippedLines(); n > 0 {
			console.say(fmt.Sprintf("%s: left out: %s with no event of ktlstop trace; inspect's http, message and note are for jq (docs/events.md)", names[i], lines(n)))
		}
		if one.Unended() {
			console.say(names[i] + ": it has no summary: what wrote it did not come to its end, or the rest is missing; everything before was read")
		}
	}
}

func lines(n int) string {
	if n == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", n)
}

// Close closes the files.
func (r *recordings) Close() {
	for _, f := range r.files {
		f.Close()
	}
}

// tier is that of the one with most plaintext.
func (r *recordings) tier() (most event.Tier) {
	for _, one := range r.readers {
		most = max(most, one.Tier())
	}
	return most
}

// hostNames are what recordings are called where there are several: their files.
func hostNames(files []string) []string {
	names := session.NewNames(len(files))
	out := make([]string, len(files))
	for i, file := range files {
		base := filepath.Base(file)
		out[i] = names.Of(i, strings.TrimSuffix(base, filepath.Ext(base)), file)
	}
	return out
}

// printRecording is ktlstop trace --read.
func (o *options) printRecording(cmd *cobra.Command) error {
	if err := o.checkRead(cmd, "output", "write", "wide", "output-bytes", "mtu", "rotate-size", "rotate-files", "rotate-seconds"); err != nil {
		return err
	}
	if source.IsURL(o.reads[0]) {
		return o.printFeeds(cmd)
	}
	r, err := openRecordings(o.reads)
	if err != nil {
		return err
	}
	defer r.Close()
	defer r.reportRest(o.reads)
	for _, name := range o.reads {
		if o.writesTo(name) {
			return usagef("-w: %s is the recording that is read", name)
		}
	}
	o.wait = true // a file loses nothing while it waits
	if len(r.readers) > 1 {
		return o.printMerged(cmd, r)
	}
	out, err := o.openAt(cmd.OutOrStdout(), r.tier(), r.readers[0].Clock())
	if err != nil {
		return err
	}
	read, written := session.Copy(cmd.Context(), r.readers[0], out)
	return errors.Join(o.readError(read), written, out.Close())
}

// printMerged prints several recordings in the order of time.
func (o *options) printMerged(cmd *cobra.Command, r *recordings) error {
	o.hosts = true
	out, err := o.openAt(cmd.OutOrStdout(), r.tier(), sink.FixedClock(r.readers[0].Offset()))
	if err != nil {
		return err
	}
	read, written := session.Copy(cmd.Context(), source.NewMerge(r.readers, hostNames(o.reads)), out)
	return errors.Join(o.readError(read), written, out.Close())
}

// writesTo reports whether the output is a file of that name or another name of it.
func (o *options) writesTo(name string) bool {
	of, err := os.Stat(name)
	if err != nil {
		return false
	}
	to, err := os.Stdout.Stat()
	if o.toFile() {
		to, err = os.Stat(o.file)
	}
	return err == nil && to.Mode().IsRegular() && os.SameFile(of, to)
}

// readError names the file. That its end is missing is said, and is no failure.
func (o *options) readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, source.ErrCut):
		console.say(fmt.Sprintf("%s: %v", strings.Join(o.reads, ", "), err))
		return nil
	}
	return fmt.Errorf("read the recording %s: %w", strings.Join(o.reads, ", "), err)
}

// showRecording is ktlstop --read.
func (o *options) showRecording(cmd *cobra.Command, interval time.Duration) error {
	if err := o.checkRead(cmd, "speed", "interval", "output"); err != nil {
		return err
	}
	if o.output != "json" && o.output != "" {
		return usagef("-o %s: the dashboard's output is json, or none for the screen", o.output)
	}
	if o.speed < 0 || math.IsNaN(o.speed) {
		return usagef("--speed %v: 1 is the recorded pace, 0 is at once", o.speed)
	}
	if source.IsURL(o.reads[0]) {
		return o.showFeeds(cmd, interval)
	}
	r, err := openRecordings(o.reads)
	if err != nil {
		return err
	}
	defer r.Close()
	defer r.reportRest(o.reads)
	if o.output == "json" {
		return o.printPlayed(cmd, o.recording(r), interval)
	}
	if err := needTerminal("ktlstop --read -o json for snapshots, or ktlstop trace --read"); err != nil {
		return err
	}
	played, err := playRecording(cmd.Context(), o.recording(r), interval)
	return errors.Join(o.readError(played), err)
}

// printPlayed prints a snapshot each interval while it is played, and one at its end: at
// speed 0 that one alone.
func (o *options) printPlayed(cmd *cobra.Command, p *session.Recording, interval time.Duration) error {
	if p.Speed == 0 {
		interval = math.MaxInt64
	}
	return printSnapshots(cmd.Context(), p, cmd.OutOrStdout(), interval, func(ctx context.Context) error {
		return o.readError(p.Play(ctx)) // nil where the end is missing: what there is is shown
	})
}

func (o *options) recording(r *recordings) *session.Recording {
	if len(r.readers) == 1 {
		return session.NewRecording(r.readers[0], o.reads[0], version, o.speed)
	}
	return session.NewRecordings(r.readers, hostNames(o.reads), version, o.speed)
}

// playRecording plays it behind the dashboard. Where it is not to be watched, all
// of it is read before the first picture. It returns how the reading and how the
// showing ended.
func playRecording(ctx context.Context, p *session.Recording, interval time.Duration) (read, shown error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	played := make(chan error, 1)
	play := func() {
		err := guarded(func() error { return p.Play(ctx) })
		if err != nil && !errors.Is(err, source.ErrCut) {
			cancel()
		}
		played <- err
	}
	if p.Speed == 0 {
		play()
	} else {
		go play()
	}
	shown = screen(ctx, tui.Config{
		Source: p.Snapshot, Select: p.Select, Period: interval, Location: time.Local,
		Waiting: []string{"No event of the recording has come yet."}, Hosts: p.Several(),
	})
	cancel()
	return <-played, shown
}
