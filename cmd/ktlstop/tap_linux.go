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
		Short: "Send plaintext as packets to an interface, for tcpdump",
		Long: `tap makes a dummy network interface and sends on it each record of application
data as the packets that it would be without TLS, so that tcpdump, Wireshark,
Zeek or Suricata can read it. Whoever may open packet sockets can read the plaintext
there. The interface has no address: nothing reaches a socket or leaves the machine.

Addresses, ports, bytes and times are true. Hardware addresses, sequence numbers,
the TCP handshake and FIN are made up, since TLS hides the real ones. If both ends
of a connection are traced, each byte is sent once. A record that is missing leaves
a gap of one byte in the sequence numbers, since its length is unknown.

The interface goes when the command ends. If ktlstop was killed, the next ktlstop
tap removes the interface that is left, and says so.`,
		Example: `  ktlstop tap ktls0 --port 443         then, elsewhere: tcpdump -A -i ktls0
  ktlstop tap ktls0 --mtu 1500         in segments that Ethernet could carry
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
	f.StringVarP(&o.file, "write", "w", "", "also write the packets to this pcapng file, or to standard output if it is -; the file gets mode 0600")
	o.captureFlags(f)
	o.names.add(f)
	f.IntVarP(&o.snaplen, "snaplen", "s", loader.MaxSnaplen, "take N bytes of each plaintext, at most 16384")
	f.Uint64VarP(&o.count, "count", "c", 0, "stop after N records")
	f.Lookup("rotate-size").Usage = "with -w: begin a new file after N million bytes"
	f.Lookup("rotate-seconds").Usage = "with -w: begin a new file after N seconds; FILE is a format of strftime(3)"
	f.StringVar(&netns, "tap-netns", "", "make the interface in this network namespace: name, path, or new: one of its own, which goes even if ktlstop is killed")
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
