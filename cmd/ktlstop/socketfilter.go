package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/tap"
)

// socketFilterFlags put a socket filter between the records and what shows them.
func (o *options) socketFilterFlags(f *pflag.FlagSet) {
	f.StringVar(&o.socketFilter, "socket-filter", "", "only records whose packet this eBPF socket filter accepts; OBJ is a compiled object; ktlstop trace needs -s for it")
	f.StringVar(&o.cbpf, "cbpf", "", "only records whose packet this classic BPF filter accepts; tcpdump -y EN10MB -ddd FILTER prints the numbers; ktlstop trace needs -s for it")
	onlyOnce(f)
}

// checkSocketFilter wants plaintext to be there for the filter to look at.
func (o *options) checkSocketFilter(cmd *cobra.Command) error {
	for _, name := range []string{"socket-filter", "cbpf"} {
		flag := cmd.Flags().Lookup(name)
		switch {
		case flag == nil || !flag.Changed:
		case flag.Value.String() == "":
			return usagef("--%s is empty: leave it out, or say which", name)
		case o.snaplen == 0:
			return usagef("--%s: the filter looks at plaintext; say with -s N at how much of it", name)
		}
	}
	if o.socketFilter != "" && o.cbpf != "" {
		return usagef("--socket-filter and --cbpf: a socket takes one filter")
	}
	if o.socketFilter != "" {
		o.filter = session.FilterOf(o.socketFilter)
	}
	if o.cbpf == "" {
		return nil
	}
	program, err := tap.ParseClassic(o.cbpf)
	if err != nil {
		return usagef("--cbpf: %w", err)
	}
	o.filter = &session.SocketFilter{Classic: tap.Classic(program)}
	return nil
}
