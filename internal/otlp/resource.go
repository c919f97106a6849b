package otlp

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/google/uuid"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
)

const (
	envResource    = "OTEL_RESOURCE_ATTRIBUTES"
	envServiceName = "OTEL_SERVICE_NAME"
	// envNode is the variable that Kubernetes's downward API is set up to put the node's
	// name in.
	envNode = "NODE_NAME"
)

// instances is OpenTelemetry's namespace for deriving service.instance.id from an id that a
// host has already (semantic conventions 1.44, service.instance.id).
var instances = uuid.MustParse("4d63009a-8d0f-11ee-aad7-4c796ed8e320")

// machineIDs are the files of host.id, in the order of OpenTelemetry's own detectors.
var machineIDs = []string{"/etc/machine-id", "/var/lib/dbus/machine-id"}

// newResource identifies the sender: ktlstop on this host. It leaves out unknown values: a
// container from scratch has no machine-id. The environment overrides the rest.
func newResource(version, node string) (*resource.Resource, error) {
	configured, err := resourceFromEnv()
	if err != nil {
		return nil, err
	}
	name, _ := os.Hostname()
	id := machineID()
	if node == "" {
		node = os.Getenv(envNode)
	}
	var a attributes
	for _, known := range [][2]string{
		{"service.name", "ktlstop"}, {"service.version", version}, {"service.instance.id", instanceOf(id, name)},
		{"host.name", name}, {"host.id", id}, {"k8s.node.name", node},
	} {
		if _, ok := configured[known[0]]; !ok {
			a.text(known[0], known[1])
		}
	}
	for key, value := range configured {
		a.text(key, value)
	}
	return &resource.Resource{Attributes: a}, nil
}

func machineID() string {
	for _, path := range machineIDs {
		if b, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

// instanceOf stays the same when ktlstop restarts, so that its series go on. Cloned
// machines share an id, but have names of their own.
func instanceOf(id, name string) string {
	if id == "" && name == "" {
		return uuid.NewString()
	}
	return uuid.NewSHA1(instances, []byte(id+"\x00"+name)).String()
}

// resourceFromEnv parses key=value pairs, separated by commas, with percent-encoded values.
func resourceFromEnv() (map[string]string, error) {
	configured := map[string]string{}
	for pair := range strings.SplitSeq(os.Getenv(envResource), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, raw, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(raw))
		if key = strings.TrimSpace(key); !ok || err != nil || key == "" {
			return nil, fmt.Errorf("%s: a list of key=value is wanted, with commas between and the values percent-encoded", envResource)
		}
		configured[key] = value
	}
	if name := os.Getenv(envServiceName); name != "" {
		configured["service.name"] = name
	}
	return configured, nil
}
