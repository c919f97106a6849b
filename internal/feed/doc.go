// Package feed hands the events of this host to readers elsewhere: /v1/events.
//
// A Hub runs a trace only while somebody reads. Each event is spelled once, and put
// into the queue of each reader; who takes too little loses lines, is told how many,
// and holds up nobody. No plaintext enters a Hub.
package feed
