package sink

import "os"

// Create opens a file for writing, and creates or truncates it. Private has no effect: the
// folder determines who can read the file, and a user's own folders are private.
func Create(name string, private bool) (*os.File, error) {
	mode := os.FileMode(0o666)
	if private {
		mode = 0o600
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
}

// OthersRead returns false: the mode of a file does not show it.
func OthersRead(os.FileInfo) bool { return false }

// Touch makes an empty file, or empties a file.
func Touch(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return f.Close()
}
