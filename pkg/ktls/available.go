package ktls

import "github.com/ktlstop/ktlstop/pkg/ktls/raw"

// Available reports whether the kernel has TLS, by asking it. With CAP_NET_ADMIN the kernel
// tries to load the module tls first. The error is an [*OffloadError], of [ErrModuleMissing]
// where the module is missing.
func Available() error { return raw.Available() }

// DTLSAvailable reports whether the kernel seals DTLS. The error is an [*OffloadError], of
// [ErrFamilyMissing] where the module af_ktls is missing.
func DTLSAvailable() error { return raw.FamilyAvailable() }
