package flow

// historyLen is the number of snapshots that a sparkline looks back.
const historyLen = 120

// series keeps the last historyLen points of a rate.
type series struct {
	points [historyLen]float32
	n      int
}

func (s *series) add(v float32) {
	s.points[s.n%historyLen] = v
	s.n++
}

// list returns the points, the oldest first.
func (s *series) list() []float32 {
	if s.n <= historyLen {
		return append([]float32(nil), s.points[:s.n]...)
	}
	at := s.n % historyLen
	return append(append(make([]float32, 0, historyLen), s.points[at:]...), s.points[:at]...)
}
