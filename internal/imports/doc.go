// Package imports holds no code, only the test that keeps the directions of
// imports as ARCHITECTURE.md draws them.
package imports
