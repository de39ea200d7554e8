package node

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"weak"
)

// maxFilteredInAll bounds the filtered channels of the node, which viewers of many presentations could otherwise have made by
// the thousand: each keeps its own manifests.
const maxFilteredInAll = 2048

// filteredChannels knows the filtered channels of all presentations, to let go of those that were asked for least lately. It
// keeps none of them alive.
type filteredChannels struct {
	most  int
	clock atomic.Int64 // counts requests for them

	mu  sync.Mutex
	all []knownChannel
}

type knownChannel struct {
	of      weak.Pointer[shown]
	key     string
	channel weak.Pointer[filteredChannel]
}

// alive returns the channel and whose it is, nil when it was let go of.
func (k knownChannel) alive() (*shown, *filteredChannel) {
	s, c := k.of.Value(), k.channel.Value()
	if s == nil || c == nil || (*s.byKey.Load())[k.key] != c {
		return nil, nil
	}
	return s, c
}

// add notes a channel; of too many it drops those that were asked for least lately, whosever they are.
func (f *filteredChannels) add(s *shown, key string, c *filteredChannel) {
	for _, k := range f.note(knownChannel{weak.Make(s), key, weak.Make(c)}) {
		if owner, channel := k.alive(); channel != nil {
			owner.drop(k.key, channel)
		}
	}
}

// note returns those that are too many.
func (f *filteredChannels) note(k knownChannel) (old []knownChannel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, k)
	if len(f.all) <= f.most {
		return nil
	}
	used := map[knownChannel]int64{}
	f.all = slices.DeleteFunc(f.all, func(k knownChannel) bool {
		_, c := k.alive()
		if c != nil {
			used[k] = c.used.Load()
		}
		return c == nil
	})
	slices.SortFunc(f.all, func(a, b knownChannel) int { return cmp.Compare(used[a], used[b]) })
	over := max(0, len(f.all)-(f.most-f.most/8)) // not one by one: this looks at all of them
	if len(f.all) <= f.most {
		over = 0
	}
	old = slices.Clone(f.all[:over])
	f.all = slices.Delete(f.all, 0, over)
	return old
}
