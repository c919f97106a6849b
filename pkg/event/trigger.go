package event

// Trigger says why the events around it were kept: a flight recorder writes it among
// them, behind what has set it off.
type Trigger struct {
	Mono uint64
	By   TriggerBy
	// Expr is the expression that held; empty of the others.
	Expr string
	// Requested is how many nanoseconds before it were to be kept, Kept how many there were
	// room for; where less had passed, what had passed.
	Requested, Kept uint64
	// Again counts what else has set it off until all was written.
	Again uint64
}

// TriggerBy says who set a flight recorder off.
type TriggerBy uint8

// The causes of a Trigger.
const (
	// ByExpression is an expression of --match that held.
	ByExpression TriggerBy = iota
	// BySignal is SIGUSR1.
	BySignal
	// ByRequest is somebody who asked over the network.
	ByRequest
)

// String returns the cause in one word.
func (b TriggerBy) String() string { return pick(b, "expression", "signal", "request") }

// Time implements Event.
func (t *Trigger) Time() uint64 { return t.Mono }
