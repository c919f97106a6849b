// Package feed hands the events of this host to readers elsewhere: /v1/events.
//
// A Hub runs a trace only while somebody reads. It formats each event once and puts the
// line into the queue of each reader. A reader that is too slow loses lines, gets their
// number, and delays nobody. No plaintext enters a Hub.
package feed
