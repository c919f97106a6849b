// Package serve is the HTTP server of a run: metrics, health, and what others mount. It
// listens where nobody else can reach it unless it is told otherwise, and whoever asks,
// however often and however slowly he reads, costs a bounded amount.
package serve
