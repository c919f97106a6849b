// Package chart holds the tests of deploy/chart and of deploy/kubernetes, which is
// what the chart makes of its own values.
package chart

import (
	"flag"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const (
	dir   = "../../deploy/chart"
	plain = "../../deploy/kubernetes/ktlstop.yaml"
	head  = `# ktlstop on each node, without Helm: kubectl create namespace ktlstop && kubectl apply -f ktlstop.yaml
# Written by make kubernetes, of deploy/chart; put your registry before the image's name.
`
)

var update = flag.Bool("update", false, "write what the chart makes into deploy/kubernetes")

// render is what Helm would hand to a cluster, by template.
func render(t *testing.T, values map[string]any) map[string]string {
	t.Helper()
	files, err := tryRender(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// tryRender is render, with the error of a template that refuses its values.
func tryRender(t *testing.T, values map[string]any) (map[string]string, error) {
	t.Helper()
	c, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	release := chartutil.ReleaseOptions{Name: "ktlstop", Namespace: "ktlstop", IsInstall: true}
	all, err := chartutil.ToRenderValues(c, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	named := map[string]string{}
	for name, text := range files {
		named[path.Base(name)] = text
	}
	return named, nil
}

// daemonSet is read strictly: a field that Kubernetes does not know is an error.
func daemonSet(t *testing.T, values map[string]any) appsv1.DaemonSet {
	t.Helper()
	text := render(t, values)["daemonset.yaml"]
	var ds appsv1.DaemonSet
	if err := yaml.UnmarshalStrict([]byte(text), &ds); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return ds
}

func TestLint(t *testing.T) {
	for _, m := range lint.All(dir, nil, "ktlstop", true).Messages {
		if m.Severity >= support.WarningSev {
			t.Error(m)
		}
	}
}

// TestPlain: who does not use Helm gets the same.
func TestPlain(t *testing.T) {
	files := render(t, nil)
	text := head + strings.TrimSpace(files["rbac.yaml"]) + "\n---\n" + strings.TrimSpace(files["daemonset.yaml"]) + "\n"
	if *update {
		if err := os.WriteFile(plain, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s is not what the chart makes (make kubernetes):\n%s", filepath.Base(plain), diff)
	}
}

// TestRights: no more than was measured to be needed.
func TestRights(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		want   []corev1.Capability
	}{
		"as it comes":   {nil, []corev1.Capability{"SYS_ADMIN", "SYSLOG", "DAC_READ_SEARCH"}},
		"loads modules": {map[string]any{"loadModule": true}, []corev1.Capability{"SYS_ADMIN", "SYSLOG", "DAC_READ_SEARCH", "NET_ADMIN"}},
	} {
		context := daemonSet(t, c.values).Spec.Template.Spec.Containers[0].SecurityContext
		if context.Privileged != nil || !*context.ReadOnlyRootFilesystem || !slices.Equal(context.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("%s: %+v", name, context)
		}
		if diff := cmp.Diff(c.want, context.Capabilities.Add); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestWebConfig: with passwords nobody is let in without, and the kubelet asks for
// no page.
func TestWebConfig(t *testing.T) {
	open, closed := daemonSet(t, nil), daemonSet(t, map[string]any{"web": map[string]any{"configSecret": "web"}})
	for name, c := range map[string]struct {
		ds       appsv1.DaemonSet
		insecure bool
		secret   bool
	}{"open": {open, true, false}, "closed": {closed, false, true}} {
		pod := c.ds.Spec.Template.Spec
		container := pod.Containers[0]
		if got := slices.Contains(container.Args, "--web.insecure"); got != c.insecure {
			t.Errorf("%s: %q", name, container.Args)
		}
		if got := slices.Contains(container.Args, "--web.config.file=/etc/ktlstop/web-config.yml"); got != c.secret {
			t.Errorf("%s: %q", name, container.Args)
		}
		if (container.LivenessProbe.HTTPGet == nil) != c.secret || (container.LivenessProbe.TCPSocket != nil) != c.secret {
			t.Errorf("%s: probe %+v", name, container.LivenessProbe)
		}
		if len(pod.Volumes) != len(container.VolumeMounts) || (len(pod.Volumes) == 2) != c.secret {
			t.Errorf("%s: %d volumes, %d mounts", name, len(pod.Volumes), len(container.VolumeMounts))
		}
	}
}

// TestExtras: what a user adds arrives, whatever YAML would make of it.
func TestExtras(t *testing.T) {
	ds := daemonSet(t, map[string]any{
		"extraArgs": []any{"--stages=on", "--match=port == 443"},
		"extraEnv":  []any{map[string]any{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}},
		"image":     map[string]any{"repository": "registry.example/ktlstop", "tag": "x"},
	})
	container := ds.Spec.Template.Spec.Containers[0]
	if n := len(container.Args); !slices.Equal(container.Args[n-2:], []string{"--stages=on", "--match=port == 443"}) {
		t.Errorf("%q", container.Args)
	}
	if n := len(container.Env); container.Env[n-1].Name != "OTEL_EXPORTER_OTLP_ENDPOINT" {
		t.Errorf("%v", container.Env)
	}
	if container.Image != "registry.example/ktlstop:x" {
		t.Errorf("%q", container.Image)
	}
}

// TestPodMonitor: only where it is asked for, since clusters without the operator refuse it.
func TestPodMonitor(t *testing.T) {
	if text := strings.TrimSpace(render(t, nil)["podmonitor.yaml"]); text != "" {
		t.Errorf("%s", text)
	}
	if end := endpoint(t, map[string]any{"podMonitor": map[string]any{"enabled": true}}); end["port"] != "metrics" || end["honorLabels"] != true || end["scheme"] != nil || end["tlsConfig"] != nil || end["basicAuth"] != nil {
		t.Errorf("without a configuration: %v", end)
	}
}

// TestPodMonitorShowsWhoItIs: where the pod asks for TLS and a password, scrapes have them, or
// the chart says that they are to.
func TestPodMonitorShowsWhoItIs(t *testing.T) {
	shows := map[string]any{
		"scheme":    "https",
		"tlsConfig": map[string]any{"ca": map[string]any{"secret": map[string]any{"name": "web-ca", "key": "ca.crt"}}, "serverName": "ktlstop"},
		"basicAuth": map[string]any{"username": map[string]any{"name": "scraper", "key": "user"}, "password": map[string]any{"name": "scraper", "key": "password"}},
	}
	monitor := map[string]any{"enabled": true}
	values := map[string]any{"web": map[string]any{"configSecret": "web"}, "podMonitor": monitor}
	if _, err := tryRender(t, values); err == nil || !strings.Contains(err.Error(), "podMonitor.basicAuth") {
		t.Errorf("with nothing to show: %v", err)
	}
	maps.Copy(monitor, shows)
	end := endpoint(t, values)
	for field, want := range shows {
		if diff := cmp.Diff(want, end[field]); diff != "" {
			t.Errorf("%s: %s", field, diff)
		}
	}
}

// endpoint is what the PodMonitor says of the pods' port.
func endpoint(t *testing.T, values map[string]any) map[string]any {
	t.Helper()
	text := render(t, values)["podmonitor.yaml"]
	var monitor struct {
		Kind string
		Spec struct{ PodMetricsEndpoints []map[string]any }
	}
	if err := yaml.Unmarshal([]byte(text), &monitor); err != nil || monitor.Kind != "PodMonitor" || len(monitor.Spec.PodMetricsEndpoints) != 1 {
		t.Fatalf("%v in\n%s", err, text)
	}
	return monitor.Spec.PodMetricsEndpoints[0]
}
