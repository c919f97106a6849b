// Package readme holds the test of what README.md says.
package readme
