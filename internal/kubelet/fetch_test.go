package kubelet

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	uid    = "0d1e2f3a-4b5c-6d7e-8f90-a1b2c3d4e5f6"
	digest = "0123456789abcdef0123456789abcdef"
)

var front, side = strings.Repeat("0123456789abcdef", 4), strings.Repeat("fedcba9876543210", 4)

// list is a kubelet's answer, with fields that ktlstop does not read.
var list = `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[
 {"metadata":{"name":"web-7d4b9c-x2x8v","namespace":"shop","uid":"` + uid + `","labels":{"app":"web"},"annotations":{"a":"b"}},
  "spec":{"containers":[{"name":"front","image":"x"}]},
  "status":{"phase":"Running","containerStatuses":[{"name":"front","containerID":"containerd://` + front + `","ready":true},{"name":"waits"}],
   "initContainerStatuses":[{"name":"setup","containerID":"containerd://` + side + `"}]}},
 {"metadata":{"name":"etcd-node1","namespace":"kube-system","uid":"11111111-2222-3333-4444-555555555555",
  "annotations":{"kubernetes.io/config.hash":"` + digest + `","kubernetes.io/config.source":"file"}},
  "status":{"containerStatuses":[{"name":"etcd","containerID":"cri-o://` + side + `"}]}}]}`

// fake is a kubelet.
type fake struct {
	*httptest.Server
	cfg   Config
	token atomic.Value // of a string
}

func newFake(t *testing.T, answer http.HandlerFunc) *fake {
	t.Helper()
	f := new(fake)
	f.token.Store("first")
	dir := t.TempDir()
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/pods":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") != "Bearer "+f.token.Load().(string):
			w.WriteHeader(http.StatusUnauthorized)
		default:
			answer(w, r)
		}
	}))
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	f.StartTLS()
	t.Cleanup(f.Close)
	f.cfg = Config{URL: f.URL, TokenFile: filepath.Join(dir, "token"), CAFile: filepath.Join(dir, "ca.crt")}
	write(t, f.cfg.CAFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})))
	write(t, f.cfg.TokenFile, "first\n")
	return f
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func mustNew(t *testing.T, cfg Config) *Pods {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFind(t *testing.T) {
	p := mustNew(t, newFake(t, says(list)).cfg)
	if n, whole := p.Find(uid, front); n != (Names{}) || whole {
		t.Errorf("names before anybody was asked: %+v", n)
	}
	if err := p.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, uid, container string
		want                 Names
		whole                bool
	}{
		{"a container", uid, front, Names{"shop", "web-7d4b9c-x2x8v", "front"}, true},
		{"an init container", uid, side, Names{"shop", "web-7d4b9c-x2x8v", "setup"}, true},
		{"the pod", uid, "", Names{Namespace: "shop", Pod: "web-7d4b9c-x2x8v"}, true},
		{"a container that is not reported yet", uid, "abc", Names{Namespace: "shop", Pod: "web-7d4b9c-x2x8v"}, false},
		{"a static pod by what its cgroup says", digest, side, Names{"kube-system", "etcd-node1", "etcd"}, true},
		{"another pod", "22222222-2222-3333-4444-555555555555", front, Names{}, false},
	} {
		if n, whole := p.Find(c.uid, c.container); n != c.want || whole != c.whole {
			t.Errorf("%s: %+v, whole %v", c.what, n, whole)
		}
	}
	if n, whole := (*Pods)(nil).Find(uid, front); n != (Names{}) || !whole {
		t.Error("nobody knows a pod")
	}
}

func TestTokenChanges(t *testing.T) {
	f := newFake(t, says(list))
	p := mustNew(t, f.cfg)
	if err := p.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.token.Store("second")
	if status := new(StatusError); !errors.As(p.Refresh(t.Context()), &status) || status.Code != 401 {
		t.Errorf("with an old token: %v", status)
	}
	if n, _ := p.Find(uid, front); n.Pod == "" {
		t.Error("an outage forgets the pods")
	}
	write(t, f.cfg.TokenFile, "second")
	if err := p.Refresh(t.Context()); err != nil {
		t.Errorf("with the new token: %v", err)
	}
}

func TestPodsComeAndGo(t *testing.T) {
	var now atomic.Value
	now.Store(list)
	p := mustNew(t, newFake(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, now.Load()) }).cfg)
	refresh := func() {
		t.Helper()
		if err := p.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	refresh()
	now.Store(`{"kind":"PodList","items":null}`)
	refresh()
	if n, _ := p.Find(uid, front); n.Pod != "" {
		t.Errorf("a pod that has gone is %+v", n)
	}
	now.Store(strings.ReplaceAll(list, "x2x8v", "next"))
	refresh()
	if n, _ := p.Find(uid, front); n.Pod != "web-7d4b9c-next" {
		t.Errorf("a pod that has come is %+v", n)
	}
}

// Answers that a kubelet, or an attacker in its place, could give.
func TestAnswers(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, "get on nodes/pods"},
		{"broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "status 500 Internal Server Error"},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://192.0.2.1/pods", 302) }, "status 302"},
		{"nothing", says(""), "EOF"},
		{"garbage", says("\x1b[2J<html>"), "invalid character"},
		{"cut off", says(list[:len(list)/2]), "unexpected EOF"},
		{"another kind", says(`{"kind":"Status","items":[]}`), `"Status", and no PodList`},
		{"no list", says(`{"kind":"PodList","items":{}}`), "{ where a list was to be"},
		{"no object", says(`[]`), "[ where { was to be"},
		{"without items", says(`{"kind":"PodList"}`), "no items"},
		{"wrong types", says(`{"items":[{"metadata":{"name":7}}]}`), "cannot unmarshal"},
		{"endless head", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", long); fmt.Fprint(w, list) }, "header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustNew(t, newFake(t, c.answer).cfg)
			if err := p.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, and nothing of %s", err, c.want)
			}
			if n, whole := p.Find(uid, front); n != (Names{}) || whole {
				t.Errorf("it is believed: %+v", n)
			}
		})
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

func TestEndlessAnswer(t *testing.T) {
	text := io.MultiReader(strings.NewReader(`{"kind":"PodList","metadata":"`), zeros{})
	if _, _, err := decode(&bounded{text, 1 << 20}); err == nil || !strings.Contains(err.Error(), "it goes on") {
		t.Errorf("an answer without end: %v", err)
	}
}

func TestSlowAnswer(t *testing.T) {
	hold := make(chan struct{})
	p := mustNew(t, newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"kind":`)
		w.(http.Flusher).Flush()
		<-hold
	}).cfg)
	defer close(hold)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) && (err == nil || !strings.Contains(err.Error(), "does not answer")) {
		t.Errorf("a kubelet that never ends: %v", err)
	}
}

func TestHostileNames(t *testing.T) {
	evil := `{"kind":"PodList","items":[
	 {"metadata":{"name":"\u001b[2J","namespace":"shop","uid":"` + uid + `"}},
	 {"metadata":{"name":"web","namespace":"` + strings.Repeat("n", 254) + `","uid":"a"}},
	 {"metadata":{"name":"web","namespace":"shop","uid":"b"},"status":{"containerStatuses":[{"name":"\n","containerID":"x://` + front + `"},{"name":"ok","containerID":"no-runtime"}]}}]}`
	p := mustNew(t, newFake(t, says(evil)).cfg)
	if err := p.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := p.Find(uid, ""); n != (Names{}) {
		t.Errorf("a name that is none: %+v", n)
	}
	if n, _ := p.Find("a", ""); n != (Names{}) {
		t.Errorf("a namespace that is none: %+v", n)
	}
	if n, whole := p.Find("b", front); n != (Names{Namespace: "shop", Pod: "web"}) || whole {
		t.Errorf("a container's name that is none: %+v", n)
	}
}

func TestCertificates(t *testing.T) {
	f := newFake(t, says(list))
	other := newFake(t, says(list))
	cfg := f.cfg
	cfg.CAFile = "" // the system's certificates do not include its own
	for _, ca := range []string{"", other.cfg.TokenFile} {
		cfg.CAFile = ca
		err := mustNew(t, cfg).Refresh(t.Context())
		if bad := new(CertificateError); ca == "" && !errors.As(err, &bad) || ca != "" && (err == nil || !strings.Contains(err.Error(), "no certificate")) {
			t.Errorf("CA %q: %v", ca, err)
		}
	}
	cfg.Insecure = true
	if err := mustNew(t, cfg).Refresh(t.Context()); err != nil {
		t.Errorf("any certificate: %v", err)
	}
	cfg = f.cfg
	for _, name := range []*string{&cfg.TokenFile, &cfg.CAFile} {
		*name += ".gone"
		if err := mustNew(t, cfg).Refresh(t.Context()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("without %s: %v", *name, err)
		}
		cfg = f.cfg
	}
}

// The token is sent to the kubelet alone, and never in clear.
func TestPlainHTTP(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token went over plain HTTP")
		}
		fmt.Fprint(w, list)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "secret")
	if err := mustNew(t, Config{URL: s.URL, TokenFile: file}).Refresh(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	for _, bad := range []Config{
		{TokenFile: "x"}, {URL: "192.0.2.1:10250"}, {URL: "ftp://192.0.2.1"}, {URL: "https://"}, {URL: "https://user@192.0.2.1:10250"},
		{URL: "https://192.0.2.1:10250/pods"}, {URL: "https://192.0.2.1:10250?x"}, {URL: "http://192.0.2.1:10255", Insecure: true}, {URL: "https://\x7f"},
	} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	env := map[string]string{"NODE_IP": "2001:db8::1"}
	getenv := func(name string) string { return env[name] }
	if c := InCluster(getenv); c.URL != "" || c.TokenFile != "" {
		t.Errorf("a node's address alone makes a cluster: %+v", c)
	}
	env["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
	if c := InCluster(getenv); c.URL != "https://[2001:db8::1]:10250" || c.TokenFile == "" || c.CAFile == "" || c.check() != nil {
		t.Errorf("in a cluster: %+v, %v", c, c.check())
	}
}

// TestTooManyPods: that some are left out is reported, once.
func TestTooManyPods(t *testing.T) {
	var text strings.Builder
	text.WriteString(`{"kind":"PodList","items":[`)
	for i := range maxPods + 2 {
		fmt.Fprintf(&text, `{"metadata":{"name":"p%d","namespace":"n","uid":"u%d"}},`, i, i)
	}
	cfg := newFake(t, says(strings.TrimSuffix(text.String(), ",")+"]}")).cfg
	var said []string
	cfg.Notice = func(text string) { said = append(said, text) }
	p := mustNew(t, cfg)
	for range 2 {
		if err := p.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.pods) != maxPods || len(said) != 1 || !strings.HasPrefix(said[0], "the kubelet tells of 2 pods more than the 10000 ") {
		t.Errorf("%d pods, said %q", len(p.pods), said)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(list))
	f.Add([]byte(`{"items":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		pods, _, err := decode(strings.NewReader(string(text)))
		for id, p := range pods {
			if err != nil || id == "" || !name.MatchString(p.name) || !name.MatchString(p.namespace) {
				t.Errorf("%q: %+v, %v", id, p, err)
			}
		}
	})
}
