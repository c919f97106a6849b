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
		Short: "Show plaintext, and the requests and replies in it",
		Long: `inspect shows the plaintext that kTLS sockets send and receive, by connection and
direction, and each HTTP/1 and HTTP/2 request with its response, their sizes and
the time between them. Commands of redis, SMTP, POP3, IMAP, PostgreSQL and MySQL,
NFS calls and NVMe/TCP commands take a line each, with their replies. inspect takes
the whole plaintext of each record unless -s says less. A line on standard error
says whose plaintext it shows.

inspect masks header fields with credentials (Authorization, Cookie, X-Api-Key and
the like), passwords and tokens in URLs, forms, JSON and SQL, and the arguments of
AUTH, PASS and LOGIN. It does not show bytes of files and blocks. docs/masks.md of
the source lists the masks.

--redact masks more. Its expression is tried on each line of text by itself, and on
each header field of HTTP/2 as "name: value". A line is shown when it has ended.

--format log shows no plaintext: standard output, or the file of -w, has a line for
each request. Errors, losses, notes and the summary go to standard error. Column
names are printed only on a terminal.

--join reports the requests that a proxy such as nginx makes in the lines of its
clients' requests. It joins two requests by an id that both carry (X-Request-Id,
traceparent and the like), or if no other request that was under way can match.
Requests that are ambiguous are not joined, and their lines say so.

With -o pcapng inspect writes packets, as ktlstop trace does. Nothing in them is
masked, so -o pcapng needs --no-redact.`,
		Example: `  ktlstop inspect --comm nginx                      requests, responses, text
  ktlstop inspect --port 443 --redact 'token=\w+'    mask more
  ktlstop inspect --port 443 --dir tx --format raw > sent
  ktlstop inspect --comm nginx --join --format log > access.log
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
	f.IntVarP(&o.snaplen, "snaplen", "s", loader.MaxSnaplen, "take N bytes of each plaintext, at most 16384")
	f.Uint64VarP(&o.count, "count", "c", 0, "stop after N records")
	f.StringVar(&o.format, "format", "text", "show plaintext as text, as a hex dump (hex) or as the bytes alone (raw); or show no plaintext but a line for each request, as in an access log (log)")
	f.BoolVar(&o.join, "join", false, "show the requests that a proxy makes in the lines of its clients' requests")
	f.StringArrayVar(&o.redact, "redact", nil, "also mask what this regular expression (RE2) matches; may be repeated")
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
	if filter := shortFilter(flags); filter != "" {
		whose = "the kTLS sockets that match " + filter
	}
	what := "the plaintext of " + whose + ", to " + strconv.Itoa(o.snaplen) + " bytes a record"
	if o.format == "log" {
		what = "one line for each request of " + whose + ": targets, keys and statements"
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
