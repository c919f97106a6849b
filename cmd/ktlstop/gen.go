package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/gen"
	"github.com/ktlstop/ktlstop/internal/sink"
)

// genFlags are the scenario in the user's words.
type genFlags struct {
	gen.Scenario
	tls, cipher, dir, output string
}

func newGen() *cobra.Command {
	var g genFlags
	cmd := &cobra.Command{
		Use:   "gen",
		Short: "Make kTLS traffic",
		Long: `gen makes kTLS traffic with pkg/ktls over TCP: both ends in this process, or one
of them with --listen or --connect. A connection begins with one record of 16
bytes that tells the server what follows. Where only the server sends, the
client asks for each write with a record of one byte.`,
		Example: `  ktlstop gen -n 3 -s 16384 --rounds 100
  ktlstop gen --sendfile --dir rx --rate 10 --duration 30s
  ktlstop gen --listen :4433         and elsewhere: ktlstop gen --connect HOST:4433`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runGen(cmd, &g) },
	}
	f := cmd.Flags()
	f.IntVarP(&g.Connections, "connections", "n", 1, "number of connections")
	f.IntVarP(&g.Size, "size", "s", 1400, "bytes of each write; a record holds at most 16384")
	f.IntVar(&g.Rounds, "rounds", 10, "rounds per connection, 0 for no end")
	f.Float64Var(&g.Rate, "rate", 0, "rounds per second and connection, 0 for as fast as it goes")
	f.DurationVar(&g.Duration, "duration", 0, "stop after this time; --rounds 0 is implied unless given")
	f.BoolVar(&g.Sendfile, "sendfile", false, "send from a file by sendfile(2)")
	f.StringVar(&g.dir, "dir", "both", "who sends: tx the client, rx the server, both in turn")
	f.StringVar(&g.tls, "tls", "1.3", "version of TLS, 1.2 or 1.3")
	f.StringVar(&g.cipher, "cipher", "", "with TLS 1.2: aes-gcm-128, aes-gcm-256 or chacha20-poly1305")
	f.StringVar(&g.Listen, "listen", "", "be the server only, on this address")
	f.StringVar(&g.Connect, "connect", "", "be the clients only, of this server")
	f.BoolVar(&g.Require, "require", false, "fail where the kernel does not take a connection over")
	f.StringVarP(&g.output, "output", "o", "text", "text or json: what was sent and received")
	return cmd
}

func runGen(cmd *cobra.Command, g *genFlags) error {
	if err := g.resolve(cmd); err != nil {
		return err
	}
	report, err := gen.Run(cmd.Context(), g.Scenario, func(a net.Addr) {
		if g.Listen != "" {
			fmt.Fprintln(os.Stderr, "listening on", a)
		}
	})
	if report == nil {
		return err
	}
	if g.output == "json" {
		if perr := json.NewEncoder(cmd.OutOrStdout()).Encode(report); perr != nil {
			return perr
		}
		return err
	}
	if perr := printReport(cmd, report); perr != nil {
		return perr
	}
	return err
}

func (g *genFlags) resolve(cmd *cobra.Command) (err error) {
	if g.output != "text" && g.output != "json" {
		return usagef("-o %s: the outputs are text and json", g.output)
	}
	switch g.dir {
	case "both":
		g.ToServer, g.ToClient = true, true
	case "tx":
		g.ToServer = true
	case "rx":
		g.ToClient = true
	default:
		return usagef("--dir %s: tx, rx or both", g.dir)
	}
	if cmd.Flags().Changed("duration") && !cmd.Flags().Changed("rounds") {
		g.Rounds = 0
	}
	if g.Version, err = gen.ParseVersion(g.tls); err != nil {
		return &usageError{err}
	}
	if g.Suite, err = gen.ParseCipher(g.cipher, g.Version); err != nil {
		return &usageError{err}
	}
	if err := g.Check(); err != nil {
		return &usageError{err}
	}
	return nil
}

func printReport(cmd *cobra.Command, r *gen.Report) error {
	for _, c := range r.Connections {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s -> %s TLS %s %s tx %s rx %s: %d writes by %s, %d bytes out, %d in\n",
			c.Role, c.Local, c.Remote, c.Version, c.Cipher, c.TX, c.RX, c.Writes, c.Op, c.Sent, c.Received)
		if err != nil {
			return err
		}
		for _, note := range []string{c.Reason, c.Error} {
			if note == "" {
				continue
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), "  "+sink.Sanitize(note)); err != nil {
				return err
			}
		}
	}
	return nil
}
