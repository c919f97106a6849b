package match

import (
	"strings"
	"testing"
)

// TestFieldsHelp: each field has a line in the manual, and each word of it is a value.
func TestFieldsHelp(t *testing.T) {
	values := 0
	for f, help := range FieldsHelp() {
		if help.About == "" || strings.Contains(help.About, "\n") {
			t.Errorf("%s: %q", Field(f), help.About)
		}
		text := strings.TrimSuffix(strings.TrimPrefix(help.Values, "such as "), ", or a number")
		for value := range strings.SplitSeq(text, ", ") {
			if value == "" {
				continue
			}
			values++
			if _, err := Parse(help.Name + " == " + value); err != nil {
				t.Errorf("%s: %v", help.Name, err)
			}
		}
	}
	if values < 50 {
		t.Errorf("%d values", values)
	}
}

// TestFieldsHelpOrder: the manual's words for where a field lies are those of the code.
func TestFieldsHelpOrder(t *testing.T) {
	all := FieldsHelp()
	if len(all) != len(infos) || all[Pod].Name != "pod" || !all[Pod].UserSpace || all[Len].UserSpace || !all[Port].Sockets || all[Len].Sockets {
		t.Errorf("%d fields, %+v, %+v, %+v", len(all), all[Pod], all[Len], all[Port])
	}
}
