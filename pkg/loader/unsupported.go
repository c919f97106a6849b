package loader

// UnsupportedError reports that the machine, or the backend, lacks something.
type UnsupportedError struct {
	// What is what is missing, and Hint what the user can do about it: a phrase each.
	What, Hint string
	// Setting is the field of Config that needs what is missing, or that avoids it,
	// such as "Match"; empty if there is none. A program can add its own name for the
	// setting, such as a flag.
	Setting string
	// Err is the cause, nil if What is sufficient.
	Err error
}

// Error returns one line, made of What and Hint.
func (e *UnsupportedError) Error() string { return e.What + "; " + e.Hint }

// Unwrap returns the cause, which may be nil.
func (e *UnsupportedError) Unwrap() error { return e.Err }
