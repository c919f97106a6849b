package main

import (
	"errors"
	"os"

	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/kubelet"
	"github.com/ktlstop/ktlstop/internal/names"
)

// nameFlags say who knows the names of pods.
type nameFlags struct {
	kubelet, ca, token string
	insecure           bool
	// onOutage is called once when the kubelet does not answer, and with nil when it does
	// again; nil for lines on standard error.
	onOutage func(error)
}

// kubeletOff is --kubelet's word for none.
const kubeletOff = "off"

func (n *nameFlags) add(f *pflag.FlagSet) {
	f.StringVar(&n.kubelet, "kubelet", "", "ask this kubelet for the names of pods, or none (off); in Kubernetes, where NODE_IP is set, https://$NODE_IP:10250")
	f.StringVar(&n.ca, "kubelet-ca", "", "certificates (PEM) that verify the kubelet; in Kubernetes those of the service account")
	f.StringVar(&n.token, "kubelet-token", "", "file with the token for the kubelet, read for each request; in Kubernetes the service account's")
	f.BoolVar(&n.insecure, "kubelet-insecure", false, "accept any certificate of the kubelet; someone on the path may read the token")
}

// open returns the names of this machine, with those of pods where there is a kubelet.
func (n *nameFlags) open() (*names.Names, error) {
	cfg := kubelet.InCluster(os.Getenv)
	if n.kubelet != "" {
		cfg.URL = n.kubelet
	}
	if cfg.URL == "" || cfg.URL == kubeletOff {
		if n.ca != "" || n.token != "" || n.insecure {
			return nil, usagef("--kubelet-ca, --kubelet-token and --kubelet-insecure are for --kubelet URL")
		}
		return names.New(nil), nil
	}
	n.adjust(&cfg)
	pods, err := kubelet.New(cfg)
	if err != nil {
		return nil, usagef("--kubelet: %w", err)
	}
	return names.New(pods), nil
}

// adjust lets the flags have their way.
func (n *nameFlags) adjust(cfg *kubelet.Config) {
	if n.ca != "" {
		cfg.CAFile = n.ca
	}
	if n.token != "" {
		cfg.TokenFile = n.token
	}
	cfg.Insecure = n.insecure
	if cfg.Notify = n.onOutage; cfg.Notify == nil {
		cfg.Notify, cfg.Notice = reportOutage, notice
	}
}

// reportOutage says what follows where the kubelet does not answer.
func reportOutage(err error) {
	if err == nil {
		notice("the kubelet answers: pods have names again")
		return
	}
	hint := ""
	if errors.As(err, new(*kubelet.CertificateError)) {
		hint = " (--kubelet-ca FILE; or --kubelet-insecure, if you trust the way)"
	}
	notice("pods have no names until the kubelet tells them: " + err.Error() + hint)
}
