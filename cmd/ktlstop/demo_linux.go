package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// What the demo shows: chatter in both directions, downloads by sendfile, and
// an old client.
var demoTraffic = [][]string{
	{"gen", "-n", "3", "-s", "1400", "--rate", "4"},
	{"gen", "-n", "2", "-s", "40000", "--rate", "1", "--sendfile", "--dir", "rx"},
	{"gen", "-n", "1", "-s", "300", "--rate", "8", "--tls", "1.2", "--cipher", "aes-gcm-256"},
}

func newDemo() *cobra.Command {
	var lines time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show ktlstop on traffic of its own",
		Long: `demo makes kTLS traffic by ktlstop gen, and shows its records: in the dashboard if
standard output is a terminal, else as lines for some seconds. Use it to see what
ktlstop does on a host that has no kernel TLS traffic.`,
		Example: `  ktlstop demo
  ktlstop demo --duration 2s | cat      lines for two seconds`,
		RunE: func(cmd *cobra.Command, _ []string) error { return demo(cmd, lines) },
	}
	cmd.Flags().DurationVar(&lines, "duration", 5*time.Second, "how long to print lines where standard output is no terminal")
	return cmd
}

func demo(cmd *cobra.Command, lines time.Duration) error {
	stop := func() {}
	defer func() { stop() }()
	start := func() (err error) {
		stop, err = startTraffic(demoTraffic)
		return err
	}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		return dashboard(cmd, &options{}, defaultInterval, start)
	}
	return (&options{output: "text", duration: lines, fromFirst: true, started: start}).printLive(cmd)
}

// startTraffic runs generators and returns a function that ends them.
func startTraffic(commands [][]string) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return func() {}, fmt.Errorf("find this program: %w", err)
	}
	var running []*exec.Cmd
	stop = func() {
		for _, c := range running {
			_ = c.Process.Signal(syscall.SIGTERM) // it may have ended by itself
			_ = c.Wait()
		}
	}
	for _, args := range commands {
		c := exec.Command(self, append(args, "--duration", "24h")...)
		// The generators end with the demo, however it ends.
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		if err := c.Start(); err != nil {
			stop()
			return func() {}, fmt.Errorf("start the traffic: %w", err)
		}
		running = append(running, c)
	}
	return stop, nil
}
