package event

// Trigger reports that a flight recorder was set off. The recorder writes it among the
// events that it kept, after the one that set it off.
type Trigger struct {
	Mono uint64
	By   TriggerBy
	// Expr is the expression that matched; empty for other causes.
	Expr string
	// Requested is how much time before the trigger the recorder was to keep, and Kept
	// how much it did keep, in nanoseconds. Kept is less if there was no room for more,
	// or if the run had begun later.
	Requested, Kept uint64
	// Again counts further triggers until the recording was written.
	Again uint64
}

// TriggerBy is what set a flight recorder off.
type TriggerBy uint8

// The causes of a Trigger.
const (
	// ByExpression: an event matched an expression.
	ByExpression TriggerBy = iota
	// BySignal: the signal SIGUSR1.
	BySignal
	// ByRequest: a request over the network.
	ByRequest
)

// String returns the cause in one word.
func (b TriggerBy) String() string { return pick(b, "expression", "signal", "request") }

// Time implements Event.
func (t *Trigger) Time() uint64 { return t.Mono }
