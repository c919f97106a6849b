package observe

import (
	"encoding/json"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Dashboard is the Grafana dashboard as indented JSON, the same bytes each time.
func Dashboard() ([]byte, error) {
	b := dashboard.NewDashboardBuilder("Kernel TLS").Uid("ktlstop").Tags([]string{"ktlstop", "tls"}).
		Description("TLS records of the kernel, as ktlstop serve tells them. Generated: make dashboard.").
		Editable().Refresh("30s").Time("now-1h", "now").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Runbooks").Type(dashboard.DashboardLinkTypeLink).Icon("doc").Url(Runbooks).TargetBlank(true))
	for _, v := range variables() {
		b = b.WithVariable(v)
	}
	for _, r := range rows() {
		b = b.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			b = b.WithPanel(p)
		}
	}
	d, err := b.Build()
	if err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(d, "", "  ")
	return append(out, '\n'), err
}

// Runbooks is the page that says what each alert means.
const Runbooks = "https://github.com/ktlstop/ktlstop/blob/main/docs/runbooks.md"

func variables() []cog.Builder[dashboard.VariableModel] {
	vs := []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"),
		dashboard.NewCustomVariableBuilder("by").Label("Group by").Multi(true).
			Values(dashboard.StringOrMap{String: cog.ToPtr("comm,unit,namespace,pod,container,instance")}).
			Current(choice("comm")),
	}
	for _, v := range []struct{ name, label, query string }{
		{"instance", "Host", "label_values(ktlstop_build_info, instance)"},
		{"comm", "Program", "label_values(ktlstop_connections{" + ofHost + "}, comm)"},
		{"unit", "Unit", "label_values(ktlstop_connections{" + ofHost + "}, unit)"},
		{"namespace", "Namespace", "label_values(ktlstop_connections{" + ofHost + "}, namespace)"},
		{"pod", "Pod", `label_values(ktlstop_connections{` + ofHost + `, namespace=~"$namespace"}, pod)`},
	} {
		vs = append(vs, dashboard.NewQueryVariableBuilder(v.name).Label(v.label).Datasource(source()).
			Query(dashboard.StringOrMap{String: cog.ToPtr(v.query)}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
			Sort(dashboard.VariableSortAlphabeticalAsc).Multi(true).IncludeAll(true).AllValue(".*").Current(choice("$__all")))
	}
	return vs
}

// choice is what a variable of several values has at first.
func choice(value string) dashboard.VariableOption {
	text := value
	if value == "$__all" {
		text = "All"
	}
	return dashboard.VariableOption{
		Selected: cog.ToPtr(true),
		Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{text}},
		Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{value}},
	}
}
