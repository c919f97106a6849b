package match

import "strings"

// Named is the text of an expression for what belongs to one of the tasks, or of the parts
// of the kernel, that have these names; at least one of them.
func Named(tasks, kernelUsers []string) string {
	var parts []string
	for _, of := range []struct {
		field Field
		names []string
	}{{Comm, tasks}, {KernelUser, kernelUsers}} {
		if len(of.names) == 0 {
			continue
		}
		quoted := make([]string, len(of.names))
		for i, name := range of.names {
			quoted[i] = quote(name)
		}
		parts = append(parts, of.field.String()+" in ("+strings.Join(quoted, ", ")+")")
	}
	return strings.Join(parts, " or ")
}
