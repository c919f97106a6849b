package loader

// UnsupportedError says what the machine, or the backend, lacks.
type UnsupportedError struct {
	// What is lacking, and a Hint what the user can do about it: half a line each.
	What, Hint string
	// Setting is the field of Config that asked for it or that can do without,
	// such as "Match"; empty if there is none. A program that has a name of its
	// own for the setting can say it.
	Setting string
	// Err is the cause, nil where What says it all.
	Err error
}

// Error returns one line, of What and Hint.
func (e *UnsupportedError) Error() string { return e.What + "; " + e.Hint }

// Unwrap returns the cause, which may be nil.
func (e *UnsupportedError) Unwrap() error { return e.Err }
