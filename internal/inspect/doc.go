// Package inspect rebuilds the plaintext streams of kTLS connections from their
// records, recognises HTTP and other protocols in them, and masks secrets before
// anything is shown.
//
// Each direction of a connection is a stream of bytes. A decoder gives the bytes
// their meaning and maskers decide which of them are secrets. A record goes on to
// the Output when both have passed its last byte, so that a secret that lies in
// two records is masked in both.
//
// A protocol other than HTTP is a dialect, and what it says in one direction a
// grammar: a decoder that all share (messages) brings the grammar its bytes, counts
// them and survives gaps, and the dialogue of both directions finds the request of
// each reply. A new dialect is a file with both, and a line in the table of dialects.
package inspect
