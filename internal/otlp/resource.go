package otlp

import (
	"context"
	"os"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// instances is the namespace that OpenTelemetry gives for making service.instance.id of
// what a host has already (semantic conventions 1.44, service.instance.id).
var instances = uuid.MustParse("4d63009a-8d0f-11ee-aad7-4c796ed8e320")

// newResource says who sends: ktlstop on this host. OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES have the last word.
func newResource(ctx context.Context, version, node string) *resource.Resource {
	// What cannot be found out is left out: a container from scratch has no machine-id.
	host, _ := resource.New(ctx, resource.WithHost(), resource.WithHostID())
	attrs := []attribute.KeyValue{
		attribute.String("service.name", "ktlstop"),
		attribute.String("service.version", version),
		attribute.String("service.instance.id", instanceOf(host)),
	}
	if node == "" {
		node = os.Getenv("NODE_NAME")
	}
	if node != "" {
		attrs = append(attrs, attribute.String("k8s.node.name", node))
	}
	own, _ := resource.Merge(host, resource.NewSchemaless(attrs...))
	said, err := resource.New(ctx, resource.WithFromEnv())
	if err != nil {
		// A list with one bad entry still has its good ones.
		otel.Handle(err)
	}
	whole, _ := resource.Merge(own, said)
	return whole
}

// instanceOf stays the same when ktlstop starts again, so that its series go on. Machines
// that were cloned share an id, and have names of their own.
func instanceOf(host *resource.Resource) string {
	id, _ := host.Set().Value("host.id")
	name, _ := host.Set().Value("host.name")
	if id.AsString() == "" && name.AsString() == "" {
		return uuid.NewString()
	}
	return uuid.NewSHA1(instances, []byte(id.AsString()+"\x00"+name.AsString())).String()
}
