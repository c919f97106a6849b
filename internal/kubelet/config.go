package kubelet

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// Config says where the kubelet is and how to query it.
type Config struct {
	// URL is https://HOST:PORT, or http:// for a read-only port.
	URL string
	// TokenFile has the token that is sent to it; no token if empty. It is read for each
	// request, since tokens change. It never goes over plain HTTP.
	TokenFile string
	// CAFile has the certificates (PEM) that verify the kubelet's own; the system's
	// certificates if empty.
	CAFile string
	// Insecure accepts any certificate: an attacker on the network can then read the token.
	Insecure bool
	// Notify, if not nil, is called with the error when queries begin to fail, and with nil
	// when one succeeds again. Run and Refresh call it.
	Notify func(error)
	// Notice, if not nil, is called once when there are more pods than Pods keeps.
	Notice func(string)
}

// account is where Kubernetes puts the files of a pod's service account.
const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// InCluster is the Config that the environment of a pod defines: token and CA of its service
// account, and the URL if the pod was given its node's address as NODE_IP (fieldRef
// status.hostIP). Elsewhere it is empty.
func InCluster(getenv func(string) string) Config {
	if getenv("KUBERNETES_SERVICE_HOST") == "" {
		return Config{}
	}
	c := Config{TokenFile: account + "token", CAFile: account + "ca.crt"}
	if ip := getenv("NODE_IP"); ip != "" {
		c.URL = "https://" + net.JoinHostPort(ip, "10250")
	}
	return c
}

func (c *Config) check() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q is no URL of a kubelet, as https://192.0.2.1:10250", c.URL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return fmt.Errorf("%q: only scheme, host and port are taken of a kubelet", c.URL)
	case u.Scheme == "http" && c.Insecure:
		return errors.New("to take any certificate is for https, and the kubelet is to be asked by http")
	}
	return nil
}
