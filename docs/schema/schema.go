// Package schema holds the JSON Schemas of what ktlstop exports.
package schema

import _ "embed"

// EventV1 is event-v1.json, JSON Schema 2020-12.
//
//go:embed event-v1.json
var EventV1 []byte

// DoctorV1 is doctor-v1.json, of the document of ktlstop doctor.
//
//go:embed doctor-v1.json
var DoctorV1 []byte
