package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/filter"
	"headwater.stream/locator"
	"headwater.stream/origin"
)

// filters are the filters that exist, compiled.
type filters map[filterName]*namedFilter

type filterName struct{ assetID, name string }

// namedFilter is a filter with what tells it from any other, also from itself before it was changed.
type namedFilter struct {
	filter.Filter
	key string
}

func compileFilters(specs []control.FilterSpec) filters {
	all := make(filters, len(specs))
	for _, s := range specs {
		key, err := json.Marshal(s.Properties)
		if err != nil {
			continue // it came from JSON
		}
		all[filterName{s.AssetID, strings.ToLower(s.Name)}] = &namedFilter{compileFilter(&s.Properties), string(key)}
	}
	return all
}

// named returns the filters with those names; nil stands for one that does not exist.
func (all filters) named(assetID string, names []string) []*namedFilter {
	var list []*namedFilter
	for _, name := range names {
		name = strings.ToLower(name)
		f := all[filterName{assetID, name}]
		if f == nil {
			f = all[filterName{"", name}]
		}
		list = append(list, f)
	}
	return list
}

func compileFilter(p *api.FilterProperties) (f filter.Filter) {
	if t := p.PresentationTimeRange; t != nil {
		scale := int64(filter.DefaultTimescale)
		if t.Timescale != nil {
			scale = int64(*t.Timescale)
		}
		if t.StartTimestamp != nil {
			f.Start = filter.Timestamp(int64(*t.StartTimestamp), scale)
		}
		if t.EndTimestamp != nil {
			f.End = max(1, filter.Timestamp(int64(*t.EndTimestamp), scale))
		}
		if t.PresentationWindowDuration != nil {
			f.Window = filter.Timestamp(int64(*t.PresentationWindowDuration), scale)
		}
		if t.LiveBackoffDuration != nil {
			f.Backoff = filter.Timestamp(int64(*t.LiveBackoffDuration), scale)
		}
		f.Force = t.ForceEndTimestamp != nil && *t.ForceEndTimestamp
	}
	if q := p.FirstQuality; q != nil && q.Bitrate != nil {
		f.FirstBitrate = int(*q.Bitrate)
	}
	var list []filter.Selection
	for _, t := range p.Tracks {
		s := filter.Selection{}
		for _, c := range t.TrackSelections {
			s = append(s, filter.Condition{Property: property(c.Property), Not: c.Operation == "NotEqual", Value: c.Value})
		}
		list = append(list, s)
	}
	if list != nil {
		f.Tracks = [][]filter.Selection{list}
	}
	return f
}

func property(name string) filter.Property {
	switch name {
	case "Type":
		return filter.Type
	case "Name":
		return filter.Name
	case "Language":
		return filter.Language
	case "FourCC":
		return filter.FourCC
	case "Bitrate":
		return filter.Bitrate
	}
	return 0
}

// errHLSRange: media playlists have URLs of their own, which do not name the filters of the multivariant playlist's. Rather
// than play everything, such a request is refused.
var errHLSRange = fmt.Errorf("%w: name a filter with a presentationTimeRange on the streaming locator; in URLs only DASH takes it", origin.ErrBadFilter)

// cutsTime reports whether a filter has a range of time.
func cutsTime(f *namedFilter) bool {
	return f != nil && (f.Start > 0 || f.End > 0 || f.Window > 0 || f.Backoff > 0)
}

// maxFiltered bounds the filtered channels of one presentation. Beyond it the one that was asked for least lately goes; who
// still watches it gets it made again.
const maxFiltered = 64

// shown is a presentation as viewers get it: whole, and by sets of filters.
type shown struct {
	presentation origin.Presentation
	channel      *origin.Channel

	mu    sync.Mutex // guards adding to byKey
	byKey atomic.Pointer[map[string]*filteredChannel]
	clock atomic.Int64 // counts requests for filtered channels
}

type filteredChannel struct {
	*filter.Presentation
	filter  filter.Filter
	delayed bool
	channel *origin.Channel
	used    atomic.Int64 // shown.clock
}

// show returns a presentation for viewers. after is what took its URLs before, nil if nothing did.
func show(p origin.Presentation, after *shown) *shown {
	s := &shown{presentation: p}
	filtered := map[string]*filteredChannel{}
	var before *origin.Channel
	if after != nil {
		before = after.channel
		for key, old := range *after.byKey.Load() {
			filtered[key] = s.filter(old.filter, old.delayed, old.channel)
		}
	}
	s.channel = origin.NewChannel(p, origin.ChannelOptions{After: before})
	s.byKey.Store(&filtered)
	return s
}

func (s *shown) filter(f filter.Filter, delayed bool, after *origin.Channel) *filteredChannel {
	p := filter.New(s.presentation, f, delayed)
	return &filteredChannel{Presentation: p, filter: f, delayed: delayed, channel: origin.NewChannel(p, origin.ChannelOptions{After: after})}
}

// filtered returns the channel for viewers who get what all the filters leave.
func (s *shown) filtered(list []*namedFilter, protocol origin.Protocol) (*origin.Channel, error) {
	if len(list) == 0 {
		return s.channel, nil
	}
	var b strings.Builder
	backoff := false
	for _, f := range list {
		if f == nil {
			return nil, origin.ErrNoFilter
		}
		b.WriteString(f.key)
		backoff = backoff || f.Backoff > 0
	}
	// Only what holds back the live edge differs by protocol.
	delayed := backoff && protocol == origin.DASH
	if delayed {
		b.WriteString(" DASH")
	}
	c := (*s.byKey.Load())[b.String()]
	if c == nil {
		var err error
		if c, err = s.add(b.String(), list, delayed); err != nil {
			return nil, err
		}
	}
	c.used.Store(s.clock.Add(1))
	if err := c.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", origin.ErrBadFilter, err)
	}
	return c.channel, nil
}

// add makes a filtered channel that nobody has asked for yet.
func (s *shown) add(key string, list []*namedFilter, delayed bool) (*filteredChannel, error) {
	parts := make([]filter.Filter, 0, len(list))
	for _, f := range list {
		parts = append(parts, f.Filter)
	}
	f, err := filter.Compose(parts)
	switch {
	case errors.Is(err, filter.ErrCount):
		return nil, fmt.Errorf("%w: %w", locator.ErrFilters, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", origin.ErrBadFilter, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.byKey.Load()
	if c := old[key]; c != nil {
		return c, nil
	}
	c := s.filter(f, delayed, nil)
	next := map[string]*filteredChannel{key: c}
	oldest := ""
	for k, o := range old {
		next[k] = o
		if oldest == "" || o.used.Load() < old[oldest].used.Load() {
			oldest = k
		}
	}
	if len(next) > maxFiltered {
		delete(next, oldest)
	}
	s.byKey.Store(&next)
	return c, nil
}
