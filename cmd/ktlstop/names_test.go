package main

import (
	"strings"
	"testing"
)

func TestNameFlags(t *testing.T) {
	for _, c := range []struct {
		what  string
		flags nameFlags
		host  bool // in a pod that knows its node's address
		want  string
	}{
		{what: "nobody"},
		{what: "off", flags: nameFlags{kubelet: "off"}, host: true},
		{what: "a URL", flags: nameFlags{kubelet: "https://192.0.2.1:10250", ca: "ca", token: "token"}},
		{what: "any certificate", flags: nameFlags{kubelet: "https://192.0.2.1:10250", insecure: true}},
		{what: "in Kubernetes", host: true},
		{what: "in Kubernetes, any certificate", flags: nameFlags{insecure: true}, host: true},
		{what: "another URL in Kubernetes", flags: nameFlags{kubelet: "http://192.0.2.1:10255"}, host: true},
		{what: "no URL", flags: nameFlags{kubelet: "192.0.2.1:10250"}, want: `"192.0.2.1:10250" is no URL of a kubelet`},
		{what: "a path", flags: nameFlags{kubelet: "https://192.0.2.1:10250/pods"}, want: "only scheme, host and port"},
		{what: "a certificate of nobody", flags: nameFlags{ca: "ca"}, want: "are for --kubelet URL"},
		{what: "insecure for nobody", flags: nameFlags{kubelet: "off", insecure: true}, host: true, want: "are for --kubelet URL"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Setenv("NODE_IP", "")
			t.Setenv("KUBERNETES_SERVICE_HOST", "")
			if c.host {
				t.Setenv("NODE_IP", "192.0.2.7")
				t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
			}
			known, err := c.flags.open()
			if c.want == "" {
				if err != nil || known == nil {
					t.Errorf("%v", err)
				}
				return
			}
			if _, usage := err.(*usageError); !usage || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, and nothing of %s", err, c.want)
			}
		})
	}
}
