// Package inspect rebuilds the plaintext streams of kTLS connections from their records,
// recognises HTTP and other protocols in them, and masks secrets before anything is shown.
//
// Each direction of a connection is a stream of bytes. A decoder parses the bytes, and
// maskers decide which of them are secrets. The Output gets a record when both have passed
// its last byte, so that a secret that spans two records is masked in both.
//
// A protocol other than HTTP is a dialect, and has a grammar for each direction. All grammars
// share one decoder (messages), which gives them their bytes, counts the bytes and recovers
// from gaps. The dialogue of the two directions finds the request of each reply. A new
// dialect is a file with the dialect and its two grammars, and a line in the table of
// dialects.
package inspect
