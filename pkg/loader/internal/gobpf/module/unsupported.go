package module

// Unsupported says what the kernel or its configuration lacks, and what the user can
// do. Outside of these packages it is a loader.UnsupportedError.
type Unsupported struct {
	What, Hint string
	Setting    string
	Err        error
}

// Error returns one line.
func (e *Unsupported) Error() string { return e.What + "; " + e.Hint }

// Unwrap returns the cause, which may be nil.
func (e *Unsupported) Unwrap() error { return e.Err }
