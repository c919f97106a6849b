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

// byLabel has the possible labels of groups, and how to get them from a process. None of
// them is specific to one process or connection.
var byLabel = map[string]func(*event.Process) string{
	"comm":      (*event.Process).Name,
	"unit":      func(p *event.Process) string { return p.In().Unit },
	"namespace": func(p *event.Process) string { return p.In().Namespace },
	"pod":       func(p *event.Process) string { return p.In().Pod },
	"container": func(p *event.Process) string { return p.In().ContainerName },
}

// maxLabel limits a label's value in bytes.
const maxLabel = 128

// other is the value of each label of the group for all further groups.
const other = "other"

// CheckGroupBy returns an error for invalid labels of groups.
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

// owner returns the group of a process, a value for each label.
type owner []func(*event.Process) string

func newOwner(names []string) (o owner) {
	for _, name := range names {
		o = append(o, byLabel[name])
	}
	return o
}

// labels are the values of a process, made safe: UTF-8, without cursor controls, and not
// long.
func (o owner) labels(p *event.Process) []string {
	values := make([]string, len(o))
	for i, of := range o {
		values[i] = clean(of(p))
	}
	return values
}

// kubernetes are the labels that the kubelet reports, maybe later than a connection's first
// record.
var kubernetes = []string{"namespace", "pod", "container"}

// waitsForPods reports whether the kubelet reports any of the labels.
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
