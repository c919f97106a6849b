// Package e2e tests the whole program from the outside: it runs bin/ktlstop on a stock
// kernel, makes traffic with programs of the project and of others, and compares whole
// events. It runs in the guest: make vmtest.
package e2e
