// Package serve is the HTTP server of a run: metrics, health, and what others mount. It
// listens on the loopback address unless the user names another one, and limits what each
// client can cost, however often it asks and however slowly it reads.
package serve
