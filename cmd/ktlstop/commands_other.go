//go:build !linux

package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/pkg/loader"
)

// linuxCommands say that they need Linux, whatever they are asked.
func linuxCommands() (all []*cobra.Command) {
	for _, name := range []string{"tap", "doctor", "serve", "gen", "bench", "demo"} {
		all = append(all, &cobra.Command{
			Use: name, Short: "Needs Linux",
			FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true}, Args: cobra.ArbitraryArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return fmt.Errorf("%s needs Linux, and this is ktlstop for %s/%s", cmd.CommandPath(), runtime.GOOS, runtime.GOARCH)
			},
		})
	}
	return all
}

// keepFlags are those of the flight recorder, which keeps what is traced here.
type keepFlags struct{ on string }

var keepFlagNames = []string{"keep-after", "keep-bytes", "on", "on-times", "record", "record-bytes"}

func (k *keepFlags) add(f *pflag.FlagSet, on string, _ any) {
	k.on = on[len("--"):]
	for _, name := range append([]string{k.on}, keepFlagNames...) {
		f.String(name, "", "needs Linux")
	}
}

// checkKeep lets nothing be kept.
func (o *options) checkKeep(cmd *cobra.Command) (keeps bool, err error) {
	for _, name := range append([]string{o.keep.on}, keepFlagNames...) {
		if cmd.Flags().Changed(name) {
			return false, loader.Preflight()
		}
	}
	return false, nil
}

func (o *options) printKept(*cobra.Command) error { return loader.Preflight() }
