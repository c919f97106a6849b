package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/tap"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// newNamespace is the word for a network namespace of the tap's own.
const newNamespace = "new"

func newTap() *cobra.Command {
	var o options
	var netns string
	cmd := &cobra.Command{
		Use:   "tap INTERFACE",
		Short: "Put plaintext on a network interface, for tcpdump and its kind",
		Long: `tap makes a dummy network interface and sends on it each record of application
data as the packets it would have been without TLS. What listens there sees
plaintext; nothing of it reaches a socket or leaves the machine. The interface
goes when the command ends.`,
		Example: `  ktlstop tap ktls0 --port 443         and elsewhere: tcpdump -A -i ktls0
  ktlstop tap ktls0 --mtu 1500         in segments of an Ethernet's size
  ktlstop tap ktls0 --tap-netns new    where other programs do not see it`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("tap takes one argument, the name of the interface to make, as in ktlstop tap ktls0")
			}
			if err := tap.CheckName(args[0]); err != nil {
				return &usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runTap(cmd, &o, args[0], netns) },
	}
	f := cmd.Flags()
	o.filterFlags(f)
	o.runFlags(f)
	f.StringVarP(&o.file, "write", "w", "", "write the packets to this pcapng file too, - for standard output")
	o.captureFlags(f)
	o.names.add(f)
	f.IntVarP(&o.snaplen, "snaplen", "s", loader.MaxSnaplen, "bytes of each plaintext, to 16384")
	f.Uint64VarP(&o.count, "count", "c", 0, "stop after this many records")
	f.StringVar(&netns, "tap-netns", "", "make the interface in this network namespace: name, path, or new for one of its own")
	return cmd
}

func runTap(cmd *cobra.Command, o *options, name, netns string) error {
	o.output, o.outputBytes, o.capture.live = "text", sink.DefaultQueueBytes, true
	if o.file != "" {
		o.output = pcapng
	}
	if err := o.checkCapture(cmd); err != nil {
		return err
	}
	if o.snaplen == 0 {
		return usagef("-s 0: there would be no plaintext to put on the interface")
	}
	if cmd.Flags().Changed("tap-netns") && netns == "" {
		return usagef("--tap-netns is empty: leave it out, or say which")
	}
	s, err := o.openSession(cmd)
	if err != nil {
		return err
	}
	defer closeBusy(s)
	line, err := openTap(name, netns, o.capture.mtu)
	if err != nil {
		return err
	}
	defer endings.AtExit(line.Remove)()
	out := session.Sinks{line}
	if o.file != "" {
		capture, err := o.openCapture(cmd.OutOrStdout(), s.Tier(), o.liveClock())
		if err != nil {
			return errors.Join(err, out.Close())
		}
		out = append(out, capture)
	}
	return o.runInto(cmd.Context(), s, out)
}

// openTap makes the interface and says what to do with it.
func openTap(name, netns string, mtu int) (*tap.Tap, error) {
	ns, err := tapNamespace(netns)
	if err != nil {
		return nil, err
	}
	line, err := tap.Open(tap.Config{Name: name, MTU: mtu, Namespace: ns, Stale: func(stale string) {
		console.say("removed the interface " + stale + ", which a ktlstop that was killed had left")
	}})
	if err != nil {
		return nil, err
	}
	enter := ""
	if ns != nil {
		enter = "nsenter --net=" + ns.Path() + " "
	}
	console.say(fmt.Sprintf("plaintext is on %s: %stcpdump -A -i %s; Ctrl-C ends it", name, enter, name))
	return line, nil
}

func tapNamespace(name string) (*tap.Namespace, error) {
	switch name {
	case "":
		return nil, nil
	case newNamespace:
		return tap.NewNamespace()
	}
	return tap.OpenNamespace(name)
}
