package feed

import "testing"

// TestBudget: with any number of readers, the memory of all queues is limited, each
// reader has some, and the share of a reader that left is available again.
func TestBudget(t *testing.T) {
	b := budget{most: DefaultQueueBytes, free: sharedBytes}
	for range 3 {
		sum, last := 0, DefaultQueueBytes
		var shares []int
		for i := range DefaultReaders {
			share := b.reserve()
			if i == 0 && share != DefaultQueueBytes || share < leastBytes || share > last {
				t.Errorf("reader %d has %d bytes after one with %d", i, share, last)
			}
			sum, last, shares = sum+share, share, append(shares, share)
		}
		if most := sharedBytes + DefaultReaders*leastBytes; sum > most || most != 32<<20 {
			t.Errorf("%d bytes may wait for all, of %d", sum, most)
		}
		for _, share := range shares {
			b.release(share)
		}
		if b.free != sharedBytes {
			t.Fatalf("%d bytes are free of %d", b.free, sharedBytes)
		}
	}
	if small := (&budget{most: 1000, free: sharedBytes}); small.reserve() != 1000 || small.free != sharedBytes {
		t.Errorf("of less than the least %d are free", small.free)
	}
}
