package metrics

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// byLabel is what connections can be grouped by, and what of a process that is. None of
// these is of one process or connection alone.
var byLabel = map[string]func(*event.Process) string{
	"comm":      (*event.Process).Name,
	"unit":      func(p *event.Process) string { return p.In().Unit },
	"namespace": func(p *event.Process) string { return p.In().Namespace },
	"pod":       func(p *event.Process) string { return p.In().Pod },
	"container": func(p *event.Process) string { return p.In().ContainerName },
}

// maxLabel bounds a label's value in bytes.
const maxLabel = 128

// other is each label of the group that has what finds no group of its own.
const other = "other"

// CheckGroupBy says what is wrong with the labels that groups are to be made by.
func CheckGroupBy(names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("nothing to group by: take of %s", labelNames())
	}
	for i, name := range names {
		if byLabel[name] == nil {
			return fmt.Errorf("%q is nothing to group by: take of %s", name, labelNames())
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("%s is there twice", name)
		}
	}
	return nil
}

func labelNames() string { return strings.Join(slices.Sorted(maps.Keys(byLabel)), ", ") }

// owner names the group of a process, a value for each label.
type owner []func(*event.Process) string

func newOwner(names []string) (o owner) {
	for _, name := range names {
		o = append(o, byLabel[name])
	}
	return o
}

// labels are the values of a process, made safe: UTF-8, nothing that moves a cursor, and
// not long.
func (o owner) labels(p *event.Process) []string {
	values := make([]string, len(o))
	for i, of := range o {
		values[i] = clean(of(p))
	}
	return values
}

// kubernetes are labels that are told by the kubelet, maybe later than a connection is met.
var kubernetes = []string{"namespace", "pod", "container"}

// waitsForPods reports whether labels are told by the kubelet.
func waitsForPods(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(kubernetes, n) })
}

// rest are the values of the group of all others.
func (o owner) rest() []string { return slices.Repeat([]string{other}, len(o)) }

func clean(s string) string {
	s = safe.String(s)
	if len(s) <= maxLabel {
		return s
	}
	cut := maxLabel
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
