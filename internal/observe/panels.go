package observe

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// The grid has 24 columns: three graphs or eight figures a line.
const (
	graphWidth, graphHeight   = 8, 8
	figureWidth, figureHeight = 3, 4
)

// chart is a panel in words: what it is called, what it says, and what it asks.
type chart struct {
	title, about, unit string
	queries            []query
}

type query struct{ expr, legend string }

func source() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}

func target(q query, ref int) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(q.expr).LegendFormat(q.legend).RefId(string(rune('A' + ref)))
}

// graph draws lines over time.
func graph(c chart) *timeseries.PanelBuilder {
	p := timeseries.NewPanelBuilder().Title(c.title).Description(c.about).Unit(c.unit).Datasource(source()).
		Span(graphWidth).Height(graphHeight).FillOpacity(8).Min(0).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for i, q := range c.queries {
		p = p.WithTarget(target(q, i).Range())
	}
	return p
}

// figure shows one number as it is now, which is red from bad on; bad 0 is never.
func figure(c chart, bad float64) *stat.PanelBuilder {
	steps := []dashboard.Threshold{{Color: "green"}}
	if bad > 0 {
		steps = append(steps, dashboard.Threshold{Value: cog.ToPtr(bad), Color: "red"})
	}
	return stat.NewPanelBuilder().Title(c.title).Description(c.about).Unit(c.unit).Datasource(source()).
		Span(figureWidth).Height(figureHeight).NoValue("0").GraphMode(common.BigValueGraphModeArea).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		WithTarget(target(c.queries[0], 0).Range())
}

// heat shows how the times of records are spread, with the kernel's buckets as they are.
func heat(c chart) *heatmap.PanelBuilder {
	return heatmap.NewPanelBuilder().Title(c.title).Description(c.about).Datasource(source()).
		Span(graphWidth).Height(graphHeight).Calculate(false).
		YAxis(heatmap.NewYAxisConfigBuilder().Unit(c.unit)).
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Oranges").Steps(64)).
		WithTarget(target(c.queries[0], 0).Range().Format(prometheus.PromQueryFormatHeatmap))
}

// list shows the labels of what is there now.
func list(c chart) *table.PanelBuilder {
	return table.NewPanelBuilder().Title(c.title).Description(c.about).Datasource(source()).
		Span(graphWidth).Height(graphHeight).
		WithTarget(target(c.queries[0], 0).Instant().Format(prometheus.PromQueryFormatTable)).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true, "Value": true, "__name__": true, "job": true},
		}})
}
