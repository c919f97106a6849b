package main

import (
	"crypto/tls"
	"net"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/gen"
)

// genFlags are the scenario in the user's words.
type genFlags struct {
	gen.Scenario
	size, op, fault, tls, cipher, dir, output string
	sendfile                                  bool
}

func newGen() *cobra.Command {
	var g genFlags
	cmd := &cobra.Command{
		Use:   "gen",
		Short: "Make kTLS traffic",
		Long: `gen makes kTLS traffic with pkg/ktls over TCP, or DTLS over UDP: both ends in this
process, or one of them with --listen or --connect, also on two hosts. Use it to check
a trace against traffic that is known. Each connection begins with one record in
which the client tells the server what follows. Then each round sends one write by
the client, by the server, or by both in turn. Where only the server sends, the
client asks for each write with a record of one byte.

With --rounds the types, lengths and order of each connection's records follow from
the flags and --seed alone. -o json reports what each end sent.

With --dtls the module af_ktls encrypts, or user space where it is not loaded. DTLS
has no flow control: so the server answers each write, with one byte if it sends
nothing else. A lost record ends its connection. A write is cut into records that
fit the path.`,
		Example: `  ktlstop gen -n 3 -s 16384 --rounds 100
  ktlstop gen -s 100..16384 --seed 7 --alert-every 5 -o json --list-records
  ktlstop gen --op sendfile --dir rx --rate 10 --duration 30s
  ktlstop gen --rekey-every 10       KeyUpdate, from Linux 6.14 on
  ktlstop gen --dtls -n 3 -s 100..1400 --rounds 100
  ktlstop gen --fault corrupt        the server sees EBADMSG
  ktlstop gen --listen :4433         elsewhere: ktlstop gen --connect HOST:4433`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runGen(cmd, &g) },
	}
	g.scenarioFlags(cmd.Flags())
	g.placeFlags(cmd.Flags())
	return cmd
}

// scenarioFlags are what the client tells the server.
func (g *genFlags) scenarioFlags(f *pflag.FlagSet) {
	f.StringVarP(&g.size, "size", "s", "1400", "bytes of each write: N, MIN..MAX (each as likely) or exp:MEAN; a record holds 16384")
	f.Uint64Var(&g.Seed, "seed", 1, "seed of the random sizes")
	f.IntVar(&g.Rounds, "rounds", 10, "rounds of each connection; 0 is without end")
	f.Float64Var(&g.Rate, "rate", 0, "rounds per second of each connection; 0 is as fast as possible")
	f.StringVar(&g.op, "op", "send", "the call that sends: send, sendfile or splice")
	f.BoolVar(&g.sendfile, "sendfile", false, "short for --op sendfile")
	f.StringVar(&g.dir, "dir", "both", "who sends: the client (tx), the server (rx), or both in turn")
	f.IntVar(&g.AlertEvery, "alert-every", 0, "send an alert, user_canceled, before every N-th write")
	f.IntVar(&g.RekeyEvery, "rekey-every", 0, "change the key (KeyUpdate) before every N-th write; needs TLS 1.3 and Linux 6.14")
	f.DurationVar(&g.ReadDelay, "read-delay", 0, "how long receivers wait before they read each write")
	f.StringVar(&g.fault, "fault", "", "how connections end: corrupt (the client damages its last record) or reset")
}

// clientOnly are flags that mean nothing to a server by itself.
var clientOnly = []string{"size", "seed", "rounds", "rate", "op", "sendfile", "dir", "alert-every", "rekey-every", "read-delay", "fault", "tls"}

func (g *genFlags) placeFlags(f *pflag.FlagSet) {
	f.IntVarP(&g.Connections, "connections", "n", 1, "number of connections; with --listen, how many to serve, without end if it is not given")
	f.DurationVar(&g.Duration, "duration", 0, "stop after this time; the rounds are without end then, unless --rounds is given")
	f.BoolVar(&g.DTLS, "dtls", false, "DTLS 1.2 over UDP instead of TLS over TCP")
	f.StringVar(&g.tls, "tls", "1.3", "version of TLS: 1.2 or 1.3")
	f.StringVar(&g.cipher, "cipher", "", "with TLS 1.2 or --dtls: aes-gcm-128, aes-gcm-256 or chacha20-poly1305")
	f.StringVar(&g.Listen, "listen", "", "be only the server, on this address")
	f.StringVar(&g.Connect, "connect", "", "be only the clients, of this server")
	f.BoolVar(&g.Require, "require", false, "fail if the kernel does not take over a connection")
	f.StringVarP(&g.output, "output", "o", "text", "report what was sent and received as text or json")
	f.BoolVar(&g.List, "list-records", false, "with -o json: report the type and length of each record, in order")
}

func runGen(cmd *cobra.Command, g *genFlags) error {
	if err := g.resolve(cmd); err != nil {
		return err
	}
	var report *gen.Report
	err := endings.Busy(func() (err error) {
		report, err = gen.Run(cmd.Context(), g.Scenario, func(a net.Addr) {
			if g.Listen != "" {
				console.line("listening on " + a.String())
			}
		})
		return err
	})
	if report == nil {
		return err
	}
	if perr := printReport(cmd.OutOrStdout(), report, g.output); perr != nil {
		return perr
	}
	return err
}

func (g *genFlags) resolve(cmd *cobra.Command) error {
	if g.output != "text" && g.output != "json" {
		return usagef("-o %s: the outputs are text and json", g.output)
	}
	if g.List && g.output != "json" {
		return usagef("--list-records needs -o json")
	}
	if err := g.resolvePlace(cmd); err != nil {
		return err
	}
	if err := g.resolveDir(); err != nil {
		return err
	}
	if err := g.resolveOp(cmd); err != nil {
		return err
	}
	if err := g.resolveDTLS(cmd); err != nil {
		return err
	}
	if cmd.Flags().Changed("duration") && g.Duration <= 0 {
		return usagef("--duration %v: not a time to wait", g.Duration)
	}
	if cmd.Flags().Changed("duration") && !cmd.Flags().Changed("rounds") {
		g.Rounds = 0
	}
	if err := g.parse(); err != nil {
		return &usageError{err}
	}
	return nil
}

// parse takes what internal/gen understands.
func (g *genFlags) parse() (err error) {
	g.Op, g.Fault = gen.Op(g.op), gen.Fault(g.fault)
	if g.Size, err = gen.ParseSize(g.size); err != nil {
		return err
	}
	if g.Version, err = gen.ParseVersion(g.tls); err != nil {
		return err
	}
	if g.Suite, err = gen.ParseCipher(g.cipher, g.cipherVersion()); err != nil {
		return err
	}
	return g.Check()
}

func (g *genFlags) resolveOp(cmd *cobra.Command) error {
	if !g.sendfile {
		return nil
	}
	if cmd.Flags().Changed("op") && g.op != "sendfile" {
		return usagef("--sendfile and --op %s: choose one", g.op)
	}
	g.op = "sendfile"
	return nil
}

// resolveDTLS: DTLS has the ciphers, and the number, of TLS 1.2.
func (g *genFlags) resolveDTLS(cmd *cobra.Command) error {
	if !g.DTLS {
		return nil
	}
	if cmd.Flags().Changed("tls") {
		return usagef("--dtls and --tls: choose one, DTLS is 1.2")
	}
	g.tls = "1.2"
	return nil
}

// cipherVersion: a server's cipher is that of the connections with TLS 1.2.
func (g *genFlags) cipherVersion() uint16 {
	if g.Listen != "" {
		return tls.VersionTLS12
	}
	return g.Version
}

func (g *genFlags) resolvePlace(cmd *cobra.Command) error {
	if g.Listen == "" || g.Connect != "" {
		return nil
	}
	for _, name := range clientOnly {
		if cmd.Flags().Changed(name) {
			return usagef("--%s is for the client to say: give it to the process with --connect", name)
		}
	}
	if !cmd.Flags().Changed("connections") {
		g.Connections = 0
	}
	return nil
}

func (g *genFlags) resolveDir() error {
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
	return nil
}
