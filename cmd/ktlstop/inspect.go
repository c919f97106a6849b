package main

import (
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/ktlstop/ktlstop/internal/inspect"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// inspection is what inspect has besides the options of all tracing commands.
type inspection struct {
	options
	format   string
	redact   []string
	noRedact bool
	join     bool
}

func newInspect() *cobra.Command {
	var o inspection
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Show plaintext, and the requests in it",
		Long: `inspect shows what kTLS sockets send and receive, by connection and direction,
and the requests and responses of HTTP/1 and HTTP/2 with their sizes and times;
those of redis, SMTP, POP3, IMAP, PostgreSQL and MySQL too, on one line each,
and so calls of NFS and commands of NVMe/TCP.

--format log leaves plaintext out: standard output (or -w FILE) has requests
alone, a line each as in an access log, and column names only on a terminal.
Errors, losses, notes and the summary go to standard error.

Masked are header fields with credentials (Authorization, Cookie, X-Api-Key and
the like), passwords and tokens in URLs, forms and SQL, the arguments of AUTH,
PASS and LOGIN, and what --redact matches: REGEX (RE2) is tried on each line of
text by itself, and on header fields of HTTP/2 as "name: value". With it the
last line waits until it ends.`,
		Example: `  ktlstop inspect --comm nginx                      requests, responses, text
  ktlstop inspect --port 443 --redact 'token=\w+'    mask more
  ktlstop inspect --port 443 --dir tx --format raw > sent
  ktlstop inspect --comm nginx --join --format log   an access log of a proxy's both sides
  ktlstop inspect -o json | jq 'select(.type=="http")'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	o.filterFlags(f)
	o.outputFlags(f)
	o.captureFlags(f)
	o.names.add(f)
	o.socketFilterFlags(f)
	o.runFlags(f)
	f.IntVarP(&o.snaplen, "snaplen", "s", loader.MaxSnaplen, "take this many bytes of each plaintext, to 16384")
	f.Uint64VarP(&o.count, "count", "c", 0, "stop after this many records")
	f.StringVar(&o.format, "format", "text", "of plaintext: text, hex, or raw (the bytes alone); or log (no plaintext, a line for each request)")
	f.BoolVar(&o.join, "join", false, "tell the requests that a proxy makes in the lines of those of its clients")
	f.StringArrayVar(&o.redact, "redact", nil, "mask what this regular expression matches; may be repeated")
	f.BoolVar(&o.noRedact, "no-redact", false, "mask nothing")
	return cmd
}

func (o *inspection) run(cmd *cobra.Command) error {
	rules, err := o.rules()
	if err != nil {
		return err
	}
	if err := o.check(cmd); err != nil {
		return err
	}
	s, err := o.openSession(cmd)
	if err != nil {
		return err
	}
	defer closeBusy(s)
	out, err := o.openInspector(cmd, s.Tier(), rules)
	if err != nil {
		return err
	}
	console.say(o.banner(cmd.Flags(), rules))
	return o.runInto(cmd.Context(), s, out)
}

// inspected is an Inspector and the output that is its own.
type inspected struct {
	*inspect.Inspector
	io.Closer
}

// openInspector opens what streams go to, or packets of what would be inspected.
func (o *inspection) openInspector(cmd *cobra.Command, tier event.Tier, rules *inspect.Rules) (closingSink, error) {
	if o.capturing() {
		return o.openCapture(cmd.OutOrStdout(), tier, o.liveClock())
	}
	out, err := o.openShow(cmd, tier)
	if err != nil {
		return nil, err
	}
	return inspected{inspect.New(out, inspect.Config{Rules: rules, OneWay: o.dir != "", Join: o.join}), out}, nil
}

func (o *inspection) check(cmd *cobra.Command) error {
	switch {
	case o.format != "text" && o.format != "hex" && o.format != "raw" && o.format != "log":
		return usagef("--format %s: text, hex, raw or log", o.format)
	case o.join && o.format == "raw":
		return usagef("--join is for requests; --format raw has bytes alone")
	case o.join && o.dir != "":
		return usagef("--join: a proxy is seen in both directions; leave --dir out")
	case o.format == "log" && o.wide:
		return usagef("--format log: its lines have no columns for --wide; -o json has everything")
	case o.output == "json" && cmd.Flags().Changed("format"):
		return usagef("--format is for -o text; JSON has payloads in base64")
	case o.snaplen == 0:
		return usagef("-s 0: inspect shows plaintext; ktlstop trace shows records without it")
	}
	if o.format == "raw" && !o.toFile() {
		if err := refuseTerminal(os.Stdout); err != nil {
			return err
		}
	}
	if err := o.checkCapture(cmd); err != nil {
		return err
	}
	if o.capturing() && cmd.Flags().Changed("format") {
		return usagef("--format is for -o text; pcapng has packets")
	}
	if o.capturing() && o.join {
		return usagef("--join is for requests; -o pcapng has packets")
	}
	if o.capturing() && !o.noRedact {
		return usagef("-o pcapng: bytes within packets are not masked; say --no-redact")
	}
	return o.checkSocketFilter(cmd)
}

func refuseTerminal(f *os.File) error {
	if term.IsTerminal(int(f.Fd())) {
		return usagef("--format raw writes bytes that a terminal may obey: redirect it, or use --format text")
	}
	return nil
}

func (o *inspection) rules() (*inspect.Rules, error) {
	if o.noRedact && len(o.redact) > 0 {
		return nil, usagef("--redact and --no-redact exclude each other")
	}
	if o.noRedact {
		return inspect.NoRules(), nil
	}
	rules, err := inspect.NewRules(o.redact)
	if err != nil {
		return nil, usagef("--redact: %w", err)
	}
	return rules, nil
}

// banner says whose plaintext is about to be shown, and how much of it.
func (o *inspection) banner(flags *pflag.FlagSet, rules *inspect.Rules) string {
	whose := "every kTLS socket of this machine"
	if filter := filterText(flags); filter != "" {
		whose = "the kTLS sockets that match " + filter
	}
	what := "the plaintext of " + whose + ", to " + strconv.Itoa(o.snaplen) + " bytes a record"
	if o.format == "log" {
		what = "of the plaintext of " + whose + " a line for each request: targets, keys and statements"
	}
	return "this shows " + what + "; masked: " + rules.String()
}

// show is an output for an Inspector.
type show struct {
	*sink.Output
	// pieces are those of the record that is being written.
	pieces []inspect.Piece
}

// openShow opens the output that the flags ask for. With --format raw other
// events than records go to standard error.
func (o *inspection) openShow(cmd *cobra.Command, tier event.Tier) (*show, error) {
	s := &show{}
	o.body = s.body
	if o.output == "json" || o.format == "hex" {
		o.body = nil
	}
	o.log = o.format == "log"
	out, err := o.open(cmd.OutOrStdout(), tier)
	if err != nil {
		return nil, err
	}
	s.Output = out
	if o.format != "raw" {
		return s, nil
	}
	if out.File != nil {
		if err := refuseTerminal(out.File); err != nil {
			return nil, errors.Join(err, out.Close())
		}
	}
	out.Raw = true
	out.Sink = sink.NewRaw(out.Queue, o.asides())
	return s, nil
}

// body is what the text shows below the line of a record.
func (s *show) body(dst []byte, r *event.Record) []byte { return inspect.AppendText(dst, r, s.pieces) }

// Record implements inspect.Output.
func (s *show) Record(r *event.Record, pieces []inspect.Piece) error {
	s.pieces = pieces
	return s.Output.Write(r)
}
