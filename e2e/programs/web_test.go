package programs

import (
	"slices"
	"testing"
)

// TestWeb: web servers, a tunnel, stores in memory, and what is built on OpenSSL.
func TestWeb(t *testing.T) {
	onItsKernel(t)
	w := newWorld(t)
	try(t, w.trixie, webTrials(w)...)
}

func webTrials(w *world) []trial {
	return []trial{&nginx{world: w}, &lighttpd{world: w}, &openSSL{world: w}, &stunnel{world: w}, &python{world: w}, &redis{world: w}, &memcached{world: w}, &curl{world: w}}
}

// TestHAProxy: the same for a program that is newer than Debian stable.
func TestHAProxy(t *testing.T) {
	onItsKernel(t)
	w := newWorld(t)
	h := &haproxy{world: w, root: openRoot(t, "haproxy")}
	try(t, h.root, h)
}

// allSides are the sides of all trials.
func allSides() (all []side) {
	trials := slices.Concat(webTrials(nil), []trial{&haproxy{}}, serviceTrials(nil), storageTrials(nil))
	for _, tl := range trials {
		all = append(all, tl.sides()...)
	}
	return all
}
