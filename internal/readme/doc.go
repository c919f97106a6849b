// Package readme holds the test of what README.md and the manual page say.
package readme
