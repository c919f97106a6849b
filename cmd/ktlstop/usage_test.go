package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestMain lets the test's program be ktlstop itself.
func TestMain(m *testing.M) {
	if os.Getenv("KTLSTOP_TEST_RUN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// ktlstop runs the program and returns what it says and its status.
func ktlstop(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out bytes.Buffer
	stderr, status = ktlstopInto(t, &out, args...)
	return out.String(), stderr, status
}

// ktlstopInto is ktlstop with another standard output.
func ktlstopInto(t *testing.T, stdout io.Writer, args ...string) (stderr string, status int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd := exec.Command(self, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "KTLSTOP_TEST_RUN=1"), stdout, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return errs.String(), cmd.ProcessState.ExitCode()
}

func TestWrongCommandLines(t *testing.T) {
	for _, args := range [][]string{
		{"--frobnicate"}, {"frobnicate"}, {"trace", "x"}, {"trace", "-o", "xml"}, {"trace", "-s", "16385"},
		{"trace", "--sample", "0"}, {"trace", "--sample", "some"}, {"trace", "--sample", "9", "-w", "x.pcapng"}, {"trace", "--max-cpu", "0"},
		{"tap", "ktls0", "--sample", "9"}, {"trace", "-s", "-1"}, {"trace", "-p", "0"}, {"trace", "-p", "x"}, {"trace", "--dir", "up"},
		{"trace", "--uid", "nobody-of-that-name"}, {"trace", "--netns", "nowhere"}, {"trace", "--port", "0"},
		{"trace", "--port", "65536"}, {"trace", "--ring-bytes", "5000"}, {"trace", "--duration", "soon"},
		{"trace", "--comm", ""}, {"trace", "--uid", ""}, {"trace", "--cgroup", ""}, {"trace", "--netns", "0"}, {"trace", "--dir", ""},
		{"trace", "--backend", ""}, {"trace", "--backend", "bcc"},
		{"trace", "--keep", "0s"}, {"trace", "--on", "len > 1"}, {"trace", "--keep", "1s", "--on", ""}, {"trace", "--keep", "1s", "--on", "len >"},
		{"trace", "--keep", "1s", "--keep-bytes", "5"}, {"trace", "--keep", "1s", "--on-times", "3/1s"}, {"trace", "--keep", "1s", "--on", "len > 1", "--on-times", "3"},
		{"trace", "--keep", "1s", "--record", ""}, {"trace", "--keep", "1s", "--record-bytes", "5"}, {"trace", "--keep", "1s", "--record", "x", "-o", "json"},
		{"trace", "--keep", "1s", "--record", "x", "--record-bytes", "5"}, {"trace", "--record", "x"}, {"trace", "--keep", "1s", "--keep-after", "-1s"},
		{"serve", "x"}, {"serve", "--web.listen-address", ":9998"}, {"serve", "--web.listen-address", "127.0.0.1"}, {"serve", "--web.listen-address", ""},
		{"serve", "--web.config.file", "/nowhere"}, {"serve", "--group-by", "pid"}, {"serve", "--group-by", ""}, {"serve", "--max-groups", "0"}, {"serve", "--max-groups", "2001"},
		{"serve", "--stages", "some"}, {"serve", "--histograms", "stages"}, {"serve", "--histograms", "x"}, {"serve", "--slow", "-1s"}, {"serve", "--comm", ""},
		{"gen", "-n", "0"}, {"gen", "-s", "0"}, {"gen", "--tls", "1.1"}, {"gen", "--cipher", "rc4"},
		{"gen", "--dir", "up"}, {"gen", "--listen", ":0", "--connect", ":0"}, {"list", "-o", "yaml"}, {"completion"}, {"completion", "x"}, {"completion", "bash", "x"}, {"version", "-o", "yaml"}, {"list", "-o", "pcapng"},
		{"tap"}, {"tap", "a b"}, {"tap", "all"}, {"tap", "ktls0", "x"}, {"tap", "ktls0", "-s", "0"}, {"tap", "ktls0", "--tap-netns", ""},
		{"tap", "ktls0", "--mtu", "575"}, {"tap", "ktls0", "-C", "1"}, {"tap", "ktls0", "-w", "-", "-G", "1"},
		{"inspect", "-w", "x.pcapng"}, {"inspect", "--no-redact", "--format", "hex", "-w", "x.pcapng"}, {"inspect", "--cbpf", "tcp"},
		{"trace", "--mtu", "1500"}, {"trace", "-w", "x.pcapng", "--mtu", "65536"}, {"trace", "-C", "1"}, {"trace", "-w", "x.json", "-C", "1"},
		{"trace", "-w", "x.pcapng", "-C", "-1"}, {"trace", "-w", "x.pcapng", "-W", "3"}, {"trace", "-w", "%Q.pcapng", "-G", "1"},
		{"trace", "-s", "1", "--cbpf", ""}, {"trace", "-s", "1", "--cbpf", "tcp"}, {"trace", "--cbpf", "1,6 0 0 1"},
		{"trace", "-s", "1", "--cbpf", "1,6 0 0 1", "--socket-filter", "x.o"}, {"trace", "-s", "1", "--socket-filter", ""},
		{"gen", "-s", "5..4"}, {"gen", "-s", "exp:x"}, {"gen", "--op", "write"}, {"gen", "--fault", "fire"}, {"gen", "--alert-every", "-1"},
		{"gen", "--rekey-every", "1", "--tls", "1.2"}, {"gen", "--rekey-every", "1", "--dir", "tx"}, {"gen", "--list-records"},
		{"gen", "--dtls", "--tls", "1.2"}, {"gen", "--dtls", "--fault", "reset"}, {"gen", "--dtls", "-s", "70000"}, {"gen", "--dtls", "--rekey-every", "1"},
		{"gen", "--listen", ":0", "--rounds", "1"}, {"gen", "--sendfile", "--op", "splice"},
		{"bench", "--sizes", "0"}, {"bench", "--sizes", "1kb"}, {"bench", "--ways", "pigeon"}, {"bench", "--max-bytes", "0"},
		{"bench", "--duration", "0s"}, {"bench", "-o", "xml"}, {"bench", "--tls", "1.1"}, {"bench", "--repeat", "0"},
		{"inspect", "--format", "xml"}, {"inspect", "--join", "--format", "raw"}, {"list", "-w", "x.pcapng"}, {"list", "--comm", "a\nb"}, {"inspect", "--redact", "("}, {"inspect", "--redact", "x*"}, {"inspect", "-s", "0"},
		{"inspect", "-o", "json", "--format", "hex"}, {"inspect", "--no-redact", "--redact", "x"}, {"inspect", "-w", "x.pcapng"},
	} {
		stdout, stderr, status := ktlstop(t, args...)
		if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "ktlstop: ") || strings.Count(stderr, "\n") != 2 {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
}

// helpList has the topics of help.
const helpList = "trace, inspect, list, doctor, tap, serve, demo, gen, bench, version, completion, help, dashboard, filters, events"

// TestUsageWords: a wrong command line is reported in the program's words, and where
// its flags are described.
func TestUsageWords(t *testing.T) {
	for _, c := range []struct{ args, want, try string }{
		{"--frobnicate", "unknown flag: --frobnicate", "ktlstop"},
		{"frobnicate", `unknown command "frobnicate"`, "ktlstop"},
		{"trace -o yaml", "-o yaml: the outputs are text, json and pcapng", "ktlstop trace"},
		{"inspect -o yaml", "-o yaml: the outputs are text, json and pcapng", "ktlstop inspect"},
		{"list -o yaml", "-o yaml: the outputs are text and json", "ktlstop list"},
		{"trce", `unknown command "trce": did you mean trace?`, "ktlstop"},
		{"--por 443", "unknown flag: --por: did you mean --port?", "ktlstop"},
		{"trace --out json", "unknown flag: --out: did you mean --output?", "ktlstop trace"},
		{"trace -y", "unknown shorthand flag: 'y' in -y", "ktlstop trace"},
		{"list --match prot==443", `--match: column 1: there is no field "prot"; did you mean port? Else see ktlstop help filters`, "ktlstop list"},
		{"help frobnicate", `help: no command or topic "frobnicate": there are ` + helpList, "ktlstop"},
		{"help trace frobnicate", `help: no command or topic "trace frobnicate": there are ` + helpList, "ktlstop"},
		{"trace --frobnicate", "unknown flag: --frobnicate", "ktlstop trace"},
		{"trace --read http://h --port 443", "--port does not work with --read URL; use --match 'port == 443'", "ktlstop trace"},
		{"trace --read http://h -p 1 -p 2", "--pid does not work with --read URL; use --match 'pid in (1, 2)'", "ktlstop trace"},
		{"--read http://h --dir tx", "--dir does not work with --read URL; use --match 'dir == tx'", "ktlstop"},
		{"--read http://h --uid www-data", "--uid does not work with --read URL; use --match 'uid == NUMBER'", "ktlstop"},
		{"trace --read http://h -s 9", "-s does not work with --read URL: it acts on the host that traces", "ktlstop trace"},
		{"trace --read x.jsonl --sample 9", "--sample does not work with --read FILE: it acts while events are recorded", "ktlstop trace"},
		{"trace --read ftp://h/x", "--read ftp://h/x: it takes a FILE, or a URL with http or https", "ktlstop trace"},
		{"list --port 443 --port 80", "--port may be given once; use --match 'port == 443 or port == 80'", "ktlstop list"},
		{"--dir tx --dir rx", "--dir may be given once; leave it out for both directions", "ktlstop"},
		{"trace -u 0 --uid=33", "--uid may be given once; --match takes several by number, as in 'uid in (33, 1000)'", "ktlstop trace"},
		{"trace --cgroup / --cgroup /", "--cgroup may be given once; name a directory above both", "ktlstop trace"},
		{"inspect --netns 1 --netns 2", "--netns may be given once; --match takes several by inode number, as in 'netns in (4026531840, 4026532561)'", "ktlstop inspect"},
		{"serve --match len>1 --match len>2", "--match may be given once; join the expressions with and, or with or", "ktlstop serve"},
		{"inspect --cbpf 1 --cbpf 2", "--cbpf may be given once; a socket takes one filter", "ktlstop inspect"},
		{"trace --socket-filter a.o --socket-filter b.o", "--socket-filter may be given once; a socket takes one filter", "ktlstop trace"},
		{"trace --port 70000", "--port 70000: from 1 to 65535", "ktlstop trace"},
		{"list --port x", "--port x: from 1 to 65535", "ktlstop list"},
		{"--pid x", "--pid x: whole numbers, as of processes", "ktlstop"},
		{"trace --wide=x", "--wide x: true or false", "ktlstop trace"},
		{"trace -c -1", "--count -1: a whole number, not less than 0", "ktlstop trace"},
		{"trace -s 1e3", "--snaplen 1e3: a whole number", "ktlstop trace"},
		{"trace -s 99999999999999999999", "--snaplen 99999999999999999999: a whole number, and none so far from 0", "ktlstop trace"},
		{"trace --duration soon", "--duration soon: a time, as 10s or 5m", "ktlstop trace"},
		{"trace --max-cpu much", "--max-cpu much: a number", "ktlstop trace"},
		{"trace -w x.pcapng -C x", "--rotate-size x: a whole number", "ktlstop trace"},
		{"trace --output-bytes 0", "--output-bytes 0: from 65536 to 1073741824", "ktlstop trace"},
		{"trace --output-bytes -5", "--output-bytes -5: from 65536 to 1073741824", "ktlstop trace"},
		{"gen --rate -1", "a rate of -1: rounds per second, or 0 for as fast as it goes", "ktlstop gen"},
		{"gen --rounds -1", "-1 rounds: 1 or more, or 0 for no end", "ktlstop gen"},
	} {
		_, stderr, status := ktlstop(t, strings.Fields(c.args)...)
		if want := "ktlstop: " + c.want + "\nTry: " + c.try + " --help\n"; status != 2 || stderr != want {
			t.Errorf("%s: status %d, %q, want %q", c.args, status, stderr, want)
		}
	}
}

// No flag's type leaves Go's words to the user, and none is listed in vain.
func TestFlagTypesHaveWords(t *testing.T) {
	text := map[string]bool{"string": true, "stringSlice": true, "stringArray": true} // which take anything
	used := map[string]bool{}
	eachFlag(func(cmd *cobra.Command, f *pflag.Flag) {
		kind := f.Value.Type()
		used[kind] = true
		if takes[kind] == "" && !text[kind] {
			t.Errorf("%s --%s: no words for a value that is no %s", cmd.CommandPath(), f.Name, kind)
		}
	})
	for kind := range takes {
		if !used[kind] {
			t.Errorf("no flag is a %s", kind)
		}
	}
}

// TestOneValueFlags: each filter flag either takes several values or refuses the second.
func TestOneValueFlags(t *testing.T) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(options).filterFlags(f)
	new(options).socketFilterFlags(f)
	f.VisitAll(func(flag *pflag.Flag) {
		if strings.Contains(flag.Usage, "may be repeated") {
			return
		}
		if _, ok := flag.Value.(*once); !ok {
			t.Errorf("--%s keeps the last of several values without a word", flag.Name)
		}
	})
}

// eachFlag visits the flags of all commands.
func eachFlag(visit func(*cobra.Command, *pflag.Flag)) {
	root := newRoot()
	for _, cmd := range append(root.Commands(), root) {
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { visit(cmd, f) })
	}
}

// TestHelp: help that could not be written is a failure, as all output is.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"trace", "--help"}, {"help", "trace"}, {"version"}} {
		stdout, stderr, status := ktlstop(t, args...)
		if status != 0 || stderr != "" || args[0] != "version" && !strings.Contains(stdout, "\nUsage:\n  ktlstop") {
			t.Errorf("%q: status %d, %q, %q", args, status, stdout, stderr)
		}
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		stderr, status = ktlstopInto(t, full, args...)
		full.Close()
		if status != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "no space left") {
			t.Errorf("%q to a full disk: status %d, %q", args, status, stderr)
		}
	}
}

// TestCompletionOfAnotherShell: what is not there is reported with what is.
func TestCompletionOfAnotherShell(t *testing.T) {
	for _, args := range [][]string{{"completion"}, {"completion", "tcsh"}} {
		if _, stderr, status := ktlstop(t, args...); status != 2 || !strings.Contains(stderr, "bash, fish, powershell, zsh") {
			t.Errorf("%q: status %d, %s", args, status, stderr)
		}
	}
}
