package object

// BoolInt is a truth value as the programs have it.
func BoolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
