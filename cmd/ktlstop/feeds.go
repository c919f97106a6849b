package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/internal/tui"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// feedFlags are those that --read URL takes as well: what they ask for, the other host
// does.
var feedFlags = []string{"comm", "match", "count", "duration"}

// openFeeds makes the hosts that --read names ready to be asked. One alone has to be
// there from the start. With onStderr standard error names the hosts that do not answer,
// since no screen shows them.
func (o *options) openFeeds(onStderr bool) ([]session.Feed, error) {
	cfg := source.RemoteConfig{Query: url.Values{}, Patient: len(o.reads) > 1}
	if _, err := match.Parse(o.match); err != nil {
		return nil, usagef("--match: %w", err)
	}
	text, comms := named(o.match, o.comms)
	for _, name := range comms {
		cfg.Query.Add("comm", name)
	}
	if text != "" {
		cfg.Query.Set("match", text)
	}
	if o.duration < 0 {
		return nil, usagef("--duration %v: not a time to wait", o.duration)
	}
	var err error
	if cfg.User, err = readUser(o.readUser); err != nil {
		return nil, err
	}
	if onStderr {
		cfg.Waits = func(host string) { notice("waiting for " + host) }
	}
	var feeds []session.Feed
	for _, address := range o.reads {
		r, err := source.NewRemote(address, cfg)
		if err != nil {
			return nil, usagef("--read: %w", err)
		}
		warnOfPassword(address, cfg.User)
		feeds = append(feeds, r)
	}
	return feeds, nil
}

// readUser reads USER:PASSWORD from a file, which is nobody else's to read, unlike a
// command line. Where others may, it says so.
func readUser(file string) (*url.Userinfo, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the user: %w", err)
	}
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && sink.OthersRead(info) {
		notice(fmt.Sprintf("others may read the password in %s: chmod 600 %s", file, file))
	}
	line, _, _ := strings.Cut(string(text), "\n")
	user, password, ok := strings.Cut(strings.TrimRight(line, "\r"), ":")
	if !ok || user == "" {
		return nil, fmt.Errorf("read the user: the first line of %s is not USER:PASSWORD", file)
	}
	return url.UserPassword(user, password), nil
}

// warnOfPassword says so where a password goes through the network for all to read.
func warnOfPassword(address string, user *url.Userinfo) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.User == nil && user == nil {
		return
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		notice("the password for " + u.Host + " is not encrypted: use https")
	}
}

// forDuration is ctx, which ends when --duration is over.
func (o *options) forDuration(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.duration <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, o.duration)
}

// feedError says where the reading failed from the start.
func (o *options) feedError(err error) error {
	if err == nil {
		return nil
	}
	u, _ := url.Parse(o.reads[0]) // there is one: several are waited for
	return fmt.Errorf("read the events of %s: %w", u.Host, err)
}

// printFeeds is ktlstop trace --read URL.
func (o *options) printFeeds(cmd *cobra.Command) error {
	feeds, err := o.openFeeds(true)
	if err != nil {
		return err
	}
	if o.hosts = len(feeds) > 1; o.hosts && o.capturing() {
		return usagef("-o pcapng: packets of several hosts are no capture; read one at a time")
	}
	follower := session.NewFollower(feeds, o.count)
	o.afar = true
	o.wait = true // the other host has the queue then, and reports what found no room in it
	out, err := o.openAt(cmd.OutOrStdout(), event.TierNone, follower)
	if err != nil {
		return err
	}
	ctx, cancel := o.forDuration(cmd.Context())
	defer cancel()
	read, written := follower.Follow(ctx, o.besideHosts(out, follower))
	return errors.Join(o.feedError(read), written, out.Close())
}

// besideHosts is out, with who is away on standard error where a person would not see it
// in out.
func (o *options) besideHosts(out sink.Sink, clock sink.Clock) sink.Sink {
	if o.output == "text" && !o.toFile() {
		return out
	}
	aside := sink.NewText(console.queue(), sink.TextConfig{Clock: clock, Location: time.Local, NoHeader: true})
	return session.Sinks{out, hostNotices{aside}}
}

// hostNotices passes on which hosts are away, and which are back.
type hostNotices struct{ sink.Sink }

// Write implements sink.Sink.
func (n hostNotices) Write(ev event.Event) error {
	if h, ok := ev.(*event.Host); ok && (h.State == event.HostAway || h.Away > 0) {
		return n.Sink.Write(ev)
	}
	return nil
}

// showFeeds is ktlstop --read URL.
func (o *options) showFeeds(cmd *cobra.Command, interval time.Duration) error {
	if cmd.Flags().Changed("speed") {
		return usagef("--speed is for recordings")
	}
	feeds, err := o.openFeeds(o.output == "json")
	if err != nil {
		return err
	}
	fleet := session.NewFleet(feeds, session.About{Version: version, Filter: o.remoteFilter()})
	ctx, cancel := o.forDuration(cmd.Context())
	defer cancel()
	if o.output == "json" {
		return printSnapshots(ctx, fleet, cmd.OutOrStdout(), interval, func(ctx context.Context) error { return o.feedError(fleet.Run(ctx)) })
	}
	if err := needTerminal("ktlstop -o json for snapshots, or ktlstop trace --read"); err != nil {
		return err
	}
	return o.watchFleet(ctx, cancel, fleet, feeds, interval)
}

// watchFleet is the dashboard of several hosts.
func (o *options) watchFleet(ctx context.Context, cancel func(), fleet *session.Fleet, feeds []session.Feed, interval time.Duration) error {
	ended := make(chan error, 1)
	go func() {
		err := guarded(func() error { return fleet.Run(ctx) })
		if err != nil {
			cancel()
		}
		ended <- err
	}()
	shown := screen(ctx, tui.Config{
		Source: fleet.Snapshot, Select: fleet.Select, Period: interval, Location: time.Local,
		Waiting: []string{"No event of " + hostsOf(feeds) + " has come yet."}, Hosts: len(feeds) > 1,
	})
	cancel()
	return errors.Join(o.feedError(<-ended), shown)
}

// remoteFilter is what the other hosts are asked for.
func (o *options) remoteFilter() string {
	var words []string
	for _, name := range o.comms {
		words = append(words, "--comm "+name)
	}
	if o.match != "" {
		words = append(words, "--match "+o.match)
	}
	return strings.Join(words, " ")
}

func hostsOf(feeds []session.Feed) string {
	names := make([]string, len(feeds))
	for i, f := range feeds {
		names[i] = f.Address()
	}
	return strings.Join(names, ", ")
}
