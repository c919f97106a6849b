package observe

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const dashboardFile = "../../deploy/grafana/ktlstop.json"

func TestDashboardIsCurrent(t *testing.T) {
	want, err := Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the generator makes: make dashboard", dashboardFile)
	}
}

// grafana is what the tests read of a dashboard.
type grafana struct {
	Panels     []grafanaPanel
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
}

type grafanaPanel struct {
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ UID string }
	Targets     []struct{ Expr, RefID string }
}

func readDashboard(t *testing.T) (d grafana) {
	t.Helper()
	b, err := os.ReadFile(dashboardFile)
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// asked is an expression with Grafana's variables as a reader has them who has chosen nothing but these groups.
func asked(expr, by, window string) string {
	return strings.NewReplacer("${by:csv}", by, "$__rate_interval", window, "$instance", ".*", "$comm", ".*", "$unit", ".*",
		"$namespace", ".*", "$pod", ".*").Replace(expr)
}

// expressions are all that the dashboard's panels ask, by the panel's title.
func expressions(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, p := range readDashboard(t).Panels {
		for _, q := range p.Targets {
			all[p.Title] = append(all[p.Title], q.Expr)
		}
	}
	if len(all) < 20 {
		t.Fatalf("%d panels only: was the dashboard read right?", len(all))
	}
	return all
}

func TestDashboardExpressions(t *testing.T) {
	for title, exprs := range expressions(t) {
		for _, expr := range exprs {
			for _, by := range []string{"comm", "instance, comm, unit", "namespace, pod, container"} {
				q := asked(expr, by, "5m")
				if strings.Contains(q, "$") {
					t.Errorf("%s: a variable of nobody's in %s", title, q)
				}
				if err := check(q); err != nil {
					t.Errorf("%s: %s: %v", title, q, err)
				}
			}
		}
	}
}

// TestEachMetricIsShown: what serve reports is on the dashboard, so that nobody has to know its name.
func TestEachMetricIsShown(t *testing.T) {
	var text strings.Builder
	for _, exprs := range expressions(t) {
		text.WriteString(strings.Join(exprs, "\n"))
	}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if strings.HasPrefix(name, "ktlstop_") && !strings.Contains(text.String(), name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestDashboardVariables(t *testing.T) {
	names := map[string]string{}
	for _, v := range readDashboard(t).Templating.List {
		names[v.Name] = v.Type
		if q, ok := v.Query.(string); ok && v.Type == "query" {
			selector := strings.TrimPrefix(q[:strings.LastIndex(q, ",")], "label_values(")
			if err := check(asked(selector, "comm", "5m")); err != nil {
				t.Errorf("variable %s: %v", v.Name, err)
			}
		}
	}
	want := map[string]string{"datasource": "datasource", "by": "custom", "instance": "query", "comm": "query", "unit": "query", "namespace": "query", "pod": "query"}
	if !maps.Equal(names, want) {
		t.Errorf("variables %v, want %v", names, want)
	}
}

// TestDashboardLayout: no panel lies on another or sticks out, and each asks the data source that the reader chose.
func TestDashboardLayout(t *testing.T) {
	taken := map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s lies at %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
			t.Errorf("%s asks %q for %d things", p.Title, p.Datasource.UID, len(p.Targets))
		}
	}
}
