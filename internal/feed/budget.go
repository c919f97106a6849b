package feed

import "sync"

// budget is the memory that the queues of all readers share. A reader gets leastBytes, and a
// quarter of what the others have left over, up to what one may have at most: so the first ones
// have much and none is left without, and a share stays what it is while its reader is there.
type budget struct {
	most int // for one reader

	mu   sync.Mutex
	free int // of sharedBytes
}

// reserve returns how many bytes may wait for one more reader. Those over leastBytes are to be
// given back.
func (b *budget) reserve() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	more := max(min(b.free/4, b.most-leastBytes), 0)
	b.free -= more
	return min(leastBytes, b.most) + more
}

func (b *budget) release(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += max(bytes-leastBytes, 0)
}
