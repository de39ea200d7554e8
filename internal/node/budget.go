package node

import (
	"fmt"
	"sync"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// budget limits what recordings may take of the disk, so that it is never full: live events and the control state need it
// too. Bytes that several recordings share by links count for each.
type budget struct {
	store    sizer
	minFree  int64 // kept free; 0: nothing
	perAsset int64 // 0: no limit
	total    int64 // 0: no limit

	mu     sync.Mutex
	looked time.Time // when the disk was looked at last
	listed time.Time // when the directories were
	low    bool      // the reserve was touched
	used   map[string]int64
}

// sizer is the store of the assets.
type sizer interface {
	Space() (free, size int64, err error)
	List() ([]string, error)
	Size(name string) (int64, error)
}

// Bounds of how old what the budget knows may be.
const (
	spaceEvery = time.Second
	listEvery  = time.Minute
)

// maxReserve is the largest share of a file system that the reserve takes: a twentieth.
const maxReserve = 20

// admit says whether the asset in directory name, which holds so many bytes, may take so many more.
func (b *budget) admit(name string, has, more int64, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.perAsset > 0 && has+more > b.perAsset {
		return &timeline.Fault{Reason: media.GapQuota, Err: fmt.Errorf("the asset holds %d bytes and may hold %d", has, b.perAsset)}
	}
	if b.total > 0 {
		b.measure(now)
		sum := has + more
		for other, n := range b.used {
			if other != name {
				sum += n
			}
		}
		if sum > b.total {
			return &timeline.Fault{Reason: media.GapQuota, Err: fmt.Errorf("all assets would hold %d bytes and may hold %d", sum, b.total)}
		}
		b.used[name] = has + more
	}
	return b.reserve(now)
}

// reserve says whether the disk has more free than has to stay so. b.mu is held.
func (b *budget) reserve(now time.Time) error {
	if b.minFree == 0 {
		return nil
	}
	if now.Sub(b.looked) >= spaceEvery {
		b.looked = now
		free, size, err := b.store.Space()
		want := min(b.minFree, size/maxReserve)
		if b.low {
			want += want / 8 // not back and forth
		}
		b.low = err == nil && free < want // what cannot be looked at will show when it is written
	}
	if b.low {
		return &timeline.Fault{Reason: media.GapReserve, Err: fmt.Errorf("less than %d bytes of the disk are free, which are kept in reserve", b.minFree)}
	}
	return nil
}

// measure brings used up to what directories there are. b.mu is held.
func (b *budget) measure(now time.Time) {
	if b.used != nil && now.Sub(b.listed) < listEvery {
		return
	}
	old := b.used
	if b.used == nil {
		b.used = map[string]int64{}
	}
	names, err := b.store.List()
	if err != nil {
		return
	}
	b.listed = now
	b.used = make(map[string]int64, len(names))
	for _, name := range names {
		if n, ok := old[name]; ok {
			b.used[name] = n
		} else if n, err := b.store.Size(name); err == nil {
			b.used[name] = n
		}
	}
}
