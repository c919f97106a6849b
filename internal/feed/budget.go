package feed

import "sync"

// budget is the memory that the queues of all readers share. A reader gets leastBytes, and a
// quarter of what the others have left over, up to the limit of one reader. So the first
// readers get much, none gets nothing, and a share does not change while its reader is there.
type budget struct {
	most int // for one reader

	mu   sync.Mutex
	free int // of sharedBytes
}

// reserve returns the queue limit of one more reader in bytes. The part over leastBytes must be
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
