// Package inspect rebuilds the plaintext streams of kTLS connections from their
// records, recognises HTTP in them, and masks secrets before anything is shown.
//
// Each direction of a connection is a stream of bytes. A decoder gives the bytes
// their meaning and maskers decide which of them are secrets. A record goes on to
// the Output when both have passed its last byte, so that a secret that lies in
// two records is masked in both.
package inspect
