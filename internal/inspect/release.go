package inspect

// release passes on the records that are decided.
func (s *stream) release() error {
	done := s.pos
	if s.decoder != nil {
		if at, ok := s.decoder.pending(s); ok {
			done = min(done, at)
		}
	}
	n := 0
	for ; n < len(s.queue); n++ {
		q := &s.queue[n]
		if q.other == nil && q.to > done {
			break
		}
		if err := s.show(q); err != nil {
			return err
		}
		if q.other == nil {
			s.in.held -= recordCost
		}
	}
	if n > 0 {
		s.queue = append(s.queue[:0], s.queue[n:]...)
		s.forget()
	}
	return nil
}

func (s *stream) show(q *queued) error {
	if q.other != nil {
		return s.in.out.Write(q.other)
	}
	if q.from < q.to {
		q.record.Payload = s.shown[q.from-s.base : q.to-s.base]
	}
	return s.in.out.Record(&q.record, s.piecesOf(q.span))
}

// piecesOf returns the parts of the pieces that are in a record.
func (s *stream) piecesOf(r span) []Piece {
	out := s.in.pieces[:0]
	for _, p := range s.pieces {
		if p.from >= r.to || p.to <= r.from {
			continue
		}
		from, to := max(p.from, r.from), min(p.to, r.to)
		note := p.note
		if from > p.from {
			note = ""
		}
		out = append(out, Piece{From: int(from - r.from), To: int(to - r.from), Kind: p.kind, Note: note})
	}
	s.in.pieces = out
	return out
}

// forget drops the bytes that were shown.
func (s *stream) forget() {
	keep := s.end()
	if len(s.queue) > 0 {
		keep = s.queue[0].from
	}
	n := int(keep - s.base)
	s.in.held -= n
	s.raw = append(s.raw[:0], s.raw[n:]...)
	s.shown = append(s.shown[:0], s.shown[n:]...)
	s.base = keep
	i := 0
	for i < len(s.pieces) && s.pieces[i].to <= keep {
		i++
	}
	s.pieces = append(s.pieces[:0], s.pieces[i:]...)
}
