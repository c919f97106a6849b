// Package readme reads the project's documents: their headings, links, fenced
// blocks, and the command lines of ktlstop in these. Its tests check links and
// programs; those of cmd/ktlstop parse the command lines, and those of e2e run them.
//
// What the language of a fenced block means for a command line:
//
//	sh       what a reader types here: parsed by a unit test, run by TestManual of e2e
//	console  what needs another host, or takes too long: parsed, not run
//	text     output; a line that begins with "# ktlstop" or "$ ktlstop" is parsed
package readme
