package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// onceHints say, for each filter that takes one value, what to do instead of giving it
// twice. %s stands for the values, in their order.
var onceHints = map[string]string{
	"uid":           "--match takes several by number, as in 'uid in (33, 1000)'",
	"cgroup":        "name a directory above both",
	"netns":         "--match takes several by inode number, as in 'netns in (4026531840, 4026532561)'",
	"port":          "use --match 'port == %s or port == %s'",
	"dir":           "leave it out for both directions",
	"match":         "join the expressions with and, or with or",
	"socket-filter": "a socket takes one filter",
	"cbpf":          "a socket takes one filter",
}

// onlyOnce makes the second value of each flag of onceHints an error. pflag would keep
// the last one without a word.
func onlyOnce(f *pflag.FlagSet) {
	for name, hint := range onceHints {
		flag := f.Lookup(name)
		if flag == nil {
			continue
		}
		if _, already := flag.Value.(*once); !already {
			flag.Value = &once{Value: flag.Value, hint: hint}
		}
	}
}

// once is a value that can be set once.
type once struct {
	pflag.Value
	hint string
	set  bool
}

// onceError is that a flag was given twice.
type onceError struct{ hint string }

func (e *onceError) Error() string { return "may be given once; " + e.hint }

// Set implements pflag.Value.
func (o *once) Set(s string) error {
	if o.set {
		hint := o.hint
		if strings.Contains(hint, "%") {
			hint = fmt.Sprintf(hint, o, s)
		}
		return &onceError{hint}
	}
	if err := o.Value.Set(s); err != nil {
		return err
	}
	o.set = true
	return nil
}
