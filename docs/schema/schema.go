// Package schema holds the JSON Schema of the events that ktlstop exports.
package schema

import _ "embed"

// EventV1 is event-v1.json, JSON Schema 2020-12.
//
//go:embed event-v1.json
var EventV1 []byte
