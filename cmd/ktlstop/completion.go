package main

import (
	"github.com/spf13/cobra"
)

// completes are the words that a flag takes; of --output they are in outputs.
var completes = map[string][]cobra.Completion{
	"backend": {"auto", "ebpf", "gobpf"},
	"dir":     {"tx", "rx"},
	"format":  {"text", "hex", "raw", "log"},
	"sample":  {"auto"},
	"stages":  {"off"},
}

// outputs are what --output takes, by the command; others take text and json.
var outputs = map[string][]cobra.Completion{
	"ktlstop": {"json"},
	"trace":   {"text", "json", pcapng},
	"inspect": {"text", "json", pcapng},
}

// addValues lets shells complete the values of flags that take one of a few words.
func addValues(cmd *cobra.Command) {
	words := func(flag string, of []cobra.Completion) {
		if cmd.LocalFlags().Lookup(flag) != nil {
			// It fails for a flag that there is not, or that has words already.
			_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(of, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for flag, of := range completes {
		words(flag, of)
	}
	of := outputs[cmd.Name()]
	if of == nil {
		of = []cobra.Completion{"text", "json"}
	}
	words("output", of)
}
