package sink

import "os"

// Create makes a file to write to, or empties one. A private one is none that others could
// not read: who may, the folder says that it is in, and a user's own are that user's.
func Create(name string, private bool) (*os.File, error) {
	mode := os.FileMode(0o666)
	if private {
		mode = 0o600
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
}

// OthersRead is false: the mode of a file does not tell.
func OthersRead(os.FileInfo) bool { return false }

// Touch makes an empty file, or empties a file.
func Touch(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return f.Close()
}
