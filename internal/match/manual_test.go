package match

import (
	"strings"
	"testing"
)

// TestFieldsHelp: each field has a line in the manual, and what the line says parses.
func TestFieldsHelp(t *testing.T) {
	for f, help := range FieldsHelp() {
		if help.About == "" || strings.Contains(help.About, "\n") {
			t.Errorf("%s: %+v", Field(f), help)
		}
		value := infos[f].example
		switch infos[f].kind {
		case duration:
			value = "5ms"
		case payload:
			value = `"GET "`
		}
		for _, op := range []string{"==", "!=", "in", "<", "<=", ">", ">=", "contains"} {
			name := help.Name
			if f == int(Payload) && op != "contains" {
				name = "payload[0:4]"
			}
			_, err := Parse(name + " " + op + " " + value)
			if listed := strings.Contains(" "+help.Compared+" ", " "+op+" ") || strings.HasPrefix(help.Compared, op+";"); (err == nil) != listed {
				t.Errorf("%s %s %s: the manual lists the operator: %v; the parser: %v", name, op, value, listed, err)
			}
		}
	}
}

// TestFieldsHelpOrder: the manual's words for where a field lies are those of the code.
func TestFieldsHelpOrder(t *testing.T) {
	all := FieldsHelp()
	if len(all) != len(infos) || all[Pod].Name != "pod" || !all[Pod].UserSpace || all[Len].UserSpace || !all[Port].Sockets || all[Len].Sockets {
		t.Errorf("%d fields, %+v, %+v, %+v", len(all), all[Pod], all[Len], all[Port])
	}
}
