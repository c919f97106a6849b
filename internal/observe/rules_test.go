package observe

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

const (
	rulesFile    = "../../deploy/prometheus/ktlstop.rules.yml"
	runbooksFile = "../../docs/runbooks.md"
	rulesTest    = "testdata/rules.test.yml"
)

func readRules(t *testing.T) (rules []rulefmt.Rule) {
	t.Helper()
	groups, errs := rulefmt.ParseFile(rulesFile, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		t.FailNow()
	}
	for _, g := range groups.Groups {
		rules = append(rules, g.Rules...)
	}
	if len(rules) < 9 {
		t.Fatalf("%d rules only", len(rules))
	}
	return rules
}

func TestRuleExpressions(t *testing.T) {
	for _, r := range readRules(t) {
		if err := check(r.Expr); err != nil {
			t.Errorf("%s: %v", r.Alert, err)
		}
	}
}

func TestRulesSayWhatToDo(t *testing.T) {
	for _, r := range readRules(t) {
		if r.Alert == "" {
			t.Errorf("the rule %q is no alert", r.Record)
		}
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s has the severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", r.Alert)
		}
		if want := Runbooks + "#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s has the runbook %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
	}
}

// TestRunbooks: each alert has its section, with its meaning, a command to look with, and what to do; and each section its
// alert.
func TestRunbooks(t *testing.T) {
	b, err := os.ReadFile(runbooksFile)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(b), "\n## ")[1:] {
		title, body, _ := strings.Cut(s, "\n")
		sections[title] = body
	}
	for _, r := range readRules(t) {
		body, ok := sections[r.Alert]
		if !ok {
			t.Errorf("%s has no section %s", runbooksFile, r.Alert)
			continue
		}
		delete(sections, r.Alert)
		for _, part := range []string{"**What it means.**", "**How to look.**", "**What to do.**"} {
			if !strings.Contains(body, part) {
				t.Errorf("%s: no %s", r.Alert, part)
			}
		}
		if !regexp.MustCompile(`(?m)^(sudo )?ktlstop |^curl `).MatchString(body) {
			t.Errorf("%s: no command of ktlstop to look with", r.Alert)
		}
	}
	for title := range sections {
		if strings.HasPrefix(title, "Ktlstop") {
			t.Errorf("%s: there is no such alert", title)
		}
	}
}

// TestRulesFire plays the series of testdata/rules.test.yml to Prometheus's own rule engine.
func TestRulesFire(t *testing.T) {
	out, err := exec.Command(engine(t, "promtool"), "test", "rules", rulesTest).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestEachRuleIsTested: each alert has a time at which it fires, and one at which it does not.
func TestEachRuleIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name string `yaml:"alertname"`
				Want []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	b, err := os.ReadFile(rulesTest)
	if err == nil {
		err = yaml.Unmarshal(b, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	var fires, silent []string
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			if len(a.Want) > 0 {
				fires = append(fires, a.Name)
			} else {
				silent = append(silent, a.Name)
			}
		}
	}
	for _, r := range readRules(t) {
		if !slices.Contains(fires, r.Alert) || !slices.Contains(silent, r.Alert) {
			t.Errorf("%s is not tested both ways in %s", r.Alert, rulesTest)
		}
	}
}

// TestRunbookCommands: ktlstop knows the commands and flags that the runbooks give it.
func TestRunbookCommands(t *testing.T) {
	b, err := os.ReadFile(runbooksFile)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "ktlstop")
	build := exec.Command("go", "build", "-o", program, "./cmd/ktlstop")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := regexp.MustCompile(`(?m)^ktlstop .*`).FindAllString(string(b), -1)
	if len(lines) < 10 {
		t.Fatalf("%d commands in %s", len(lines), runbooksFile)
	}
	for _, line := range lines {
		command, _, _ := strings.Cut(line, " | ")
		out, err := exec.Command("sh", "-c", program+strings.TrimPrefix(command, "ktlstop")+" --help").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
}
