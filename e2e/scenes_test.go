package e2e

import "testing"

// A scene makes traffic of its own and returns a function that checks it in the trace.
// Other scenes play under the same tracer before and after: a scene checks only its own
// connections, identified by both ports.
type scene struct {
	name string
	play func(t *testing.T) (told func(t *testing.T, got trace))
}

// withBytes are the scenes of which the trace shows the bytes.
var withBytes = []scene{
	{"rekey", playRekey},
	{"ciphers", playCiphers},
	{"kernel thread", playKernelThread},
	{"read_sock", playReadSock},
	{"a message in two records", playSplitMessage},
	{"library", playLibrary},
	{"http.ServeContent", playServeContent},
	{"passed sockets", playPassedSockets},
	{"exit with open sockets", playExitWithOpenSockets},
	{"container", playContainer},
	{"gen", playGen},
	{"gen rekeys", playGenRekeys},
	{"random traffic", playRandomTraffic},
}

// TestScenes plays scenes under one tracer, and beside it a dashboard that measures no
// stages: resets, rekeys, records that wait for TCP and readers of all kinds add up to
// the trace's individual events.
func TestScenes(t *testing.T) {
	tr := startTracer(t, "-s", "16384")
	dash := startDashboard(t, "-d", "1s", "--stages", "off")
	got := playScenes(t, tr, withBytes)
	got.invariants(t, maxRecord)
	snaps := dash.stopDashboard()
	checkAddsUp(t, got, snaps[len(snaps)-1])
}

// TestScenesWithoutBytes plays others under a tracer that shows no bytes.
func TestScenesWithoutBytes(t *testing.T) {
	tr := startTracer(t)
	playScenes(t, tr, []scene{
		{"no pad", func(t *testing.T) func(*testing.T, trace) { return playNoPad(t, tr) }},
		{"many sockets", playManySockets},
		{"no bytes", func(t *testing.T) func(*testing.T, trace) { return playNoBytes(t, tr) }},
		{"the module stays", playModuleStays},
	})
}

// playScenes plays scenes one after the other under a tracer, which takes longer to
// start than most of them to play, and then compares each with the trace.
func playScenes(t *testing.T, tr *tracer, scenes []scene) trace {
	t.Helper()
	told := make([]func(*testing.T, trace), len(scenes))
	for i, s := range scenes {
		t.Run("play/"+s.name, func(t *testing.T) { told[i] = s.play(t) })
	}
	got := tr.stop()
	got.noLosses(t)
	for i, s := range scenes {
		if told[i] != nil { // this kernel supports the scene
			t.Run(s.name, func(t *testing.T) { told[i](t, got) })
		}
	}
	return got
}

// of returns what the trace reports of the socket with these ports.
func (tr trace) of(lport, rport int) trace {
	return tr.filter(func(l *line) bool { return l.Sock.LPort == lport && l.Sock.RPort == rport })
}
