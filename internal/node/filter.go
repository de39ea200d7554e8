package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/internal/control"
	"headwater.stream/internal/filter"
	"headwater.stream/internal/media"
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
		all[filterName{s.AssetID, strings.ToLower(s.Name)}] = &namedFilter{s.Filter(), string(key)}
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

// maxFiltered bounds the filtered channels of one presentation, and maxSpans those whose spans viewers made up. Beyond it
// the one that was asked for least lately goes; who still watches it gets it made again.
const (
	maxFiltered = 64
	maxSpans    = 16
)

// shown is a presentation as viewers get it: whole, and by sets of filters.
type shown struct {
	presentation origin.Presentation
	window       time.Duration // that it keeps while it is live; 0: not known
	known        *filteredChannels
	channel      *origin.Channel
	delay        *origin.Delay // nil: a replay, for which nobody waits

	mu    sync.Mutex // guards changing byKey
	byKey atomic.Pointer[map[string]*filteredChannel]
}

type filteredChannel struct {
	*filter.Presentation
	filter  filter.Filter
	options filter.Options
	channel *origin.Channel
	used    atomic.Int64 // filteredChannels.clock
}

// show returns a presentation for viewers; window is what it keeps while it is live. after is what took its URLs before, nil
// if nothing did.
func show(p origin.Presentation, window time.Duration, after *shown, known *filteredChannels) *shown {
	s := &shown{presentation: p, window: window, known: known}
	filtered := map[string]*filteredChannel{}
	var before *origin.Channel
	if after != nil {
		before = after.channel
		for key, old := range *after.byKey.Load() {
			filtered[key] = s.filter(old.filter, old.options, old.channel)
		}
	}
	s.channel = origin.NewChannel(p, origin.ChannelOptions{After: before})
	s.byKey.Store(&filtered)
	for key, c := range filtered {
		known.add(s, key, c)
	}
	return s
}

func (s *shown) filter(f filter.Filter, o filter.Options, after *origin.Channel) *filteredChannel {
	p := filter.New(s.presentation, f, o)
	return &filteredChannel{Presentation: p, filter: f, options: o, channel: origin.NewChannel(p, origin.ChannelOptions{After: after})}
}

// filtered returns the channel for viewers who get what all the filters and the span of the request leave. Filters that the
// URL names, and spans, are in the names of media playlists too, and so tell channels apart.
func (s *shown) filtered(list []*namedFilter, q origin.Request) (*origin.Channel, error) {
	if len(list) == 0 && q.Span == (locator.Span{}) {
		return s.channel, nil
	}
	c, err := s.derived(list, q)
	if c == nil {
		return nil, err
	}
	return c.channel, err
}

// derived is filtered for filters or a span that are there.
func (s *shown) derived(list []*namedFilter, q origin.Request) (*filteredChannel, error) {
	var o filter.Options
	if len(q.Filters) > 0 || q.Span != (locator.Span{}) {
		names := make([]string, len(q.Filters)) // matched without regard to case: one name for all spellings
		for i, f := range q.Filters {
			names[i] = strings.ToLower(f)
		}
		o.PlaylistFile = locator.PlaylistFile(names, q.Span)
	}
	var b strings.Builder
	b.WriteString(o.PlaylistFile)
	backoff := false
	for _, f := range list {
		if f == nil {
			return nil, origin.ErrNoFilter
		}
		b.WriteString(f.key)
		backoff = backoff || f.Backoff > 0
	}
	// Only what holds back the live edge differs by protocol.
	if o.Delay = backoff && q.Protocol == origin.DASH; o.Delay {
		b.WriteString(" DASH")
	}
	c := (*s.byKey.Load())[b.String()]
	if c == nil {
		var err error
		if c, err = s.add(b.String(), list, q.Span, o); err != nil {
			return nil, err
		}
	}
	c.used.Store(s.known.clock.Add(1))
	return c, s.check(c, q)
}

// showsPictures reports whether the filters leave the whole picture of the presentation: what they hide is in no thumbnail.
func (s *shown) showsPictures(list []*namedFilter, q origin.Request) bool {
	if len(list) == 0 {
		return true
	}
	c, err := s.derived(list, q)
	if err != nil {
		return false
	}
	left := c.View()
	for _, r := range s.presentation.View().Renditions {
		if r.Kind == media.Video {
			same := left.Find(r.Name)
			return same != nil && len(same.Segments) == len(r.Segments)
		}
	}
	return true
}

// check says why there is nothing to play, or why it cannot be played in that protocol.
func (s *shown) check(c *filteredChannel, q origin.Request) error {
	if err := c.Err(); err != nil {
		if errors.Is(err, filter.ErrEmpty) && q.Span != (locator.Span{}) {
			return origin.ErrNoSpan
		}
		return filterError(err)
	}
	f, v := &c.filter, s.presentation.View()
	switch {
	case v.Ended:
	case s.window > 0 && f.Backoff >= s.window:
		return fmt.Errorf("%w: %v, %v", origin.ErrBackoffDVR, f.Backoff, s.window)
	case q.Protocol == origin.HLS && f.Window > 0 && 3*v.SegmentTarget >= f.Window:
		// "HLS segment must be < 1/3 of DVR window" (ams-v3 §11.3).
		return fmt.Errorf("%w: %v, %v", origin.ErrFilterSegment, f.Window, v.SegmentTarget)
	}
	return nil
}

// filterError gives an error of package filter its place among the origin's.
func filterError(err error) error {
	for _, e := range []struct{ is, as error }{
		{filter.ErrCount, locator.ErrFilters}, {filter.ErrRange, origin.ErrFilterRange}, {filter.ErrTrack, origin.ErrFilterTrack},
		{filter.ErrWindow, origin.ErrFilterWindow}, {filter.ErrBackoff, origin.ErrFilterBackoff}, {filter.ErrBackoffWindow, origin.ErrBackoffWindow},
		{filter.ErrEmpty, origin.ErrRemovedAll}, {filter.ErrGone, origin.ErrLeftWindow},
	} {
		if errors.Is(err, e.is) {
			return fmt.Errorf("%w: %w", e.as, err)
		}
	}
	return err
}

// compose makes one filter of the named ones and the span.
func (s *shown) compose(list []*namedFilter, span locator.Span) (filter.Filter, error) {
	parts := make([]filter.Filter, 0, len(list))
	for _, f := range list {
		parts = append(parts, f.Filter)
	}
	f, err := filter.Compose(parts)
	if err != nil {
		return f, filterError(err)
	}
	anchor := s.presentation.View().Anchor
	if anchor.IsZero() && span != (locator.Span{}) {
		return f, origin.ErrNoMedia
	}
	if span.Start != (locator.Point{}) {
		f.From = max(0, span.Start.At(anchor))
	}
	if span.End != (locator.Point{}) {
		f.To = max(1, span.End.At(anchor))
	}
	if err := f.Check(); err != nil {
		return f, filterError(err)
	}
	return f, nil
}

// add makes a filtered channel that nobody has asked for yet.
func (s *shown) add(key string, list []*namedFilter, span locator.Span, o filter.Options) (*filteredChannel, error) {
	f, err := s.compose(list, span)
	if err != nil {
		return nil, err
	}
	c, made := s.insert(key, f, o)
	if made {
		s.known.add(s, key, c)
	}
	return c, nil
}

// insert adds a channel unless somebody else has.
func (s *shown) insert(key string, f filter.Filter, o filter.Options) (c *filteredChannel, made bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.byKey.Load()
	if c := old[key]; c != nil {
		return c, false
	}
	c = s.filter(f, o, nil)
	c.used.Store(s.known.clock.Add(1))
	next := map[string]*filteredChannel{key: c}
	maps.Copy(next, old)
	evict(next, maxFiltered, func(*filteredChannel) bool { return true })
	evict(next, maxSpans, (*filteredChannel).spans)
	s.byKey.Store(&next)
	return c, true
}

// drop lets go of a channel, unless it is another by now.
func (s *shown) drop(key string, c *filteredChannel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.byKey.Load()
	if old[key] != c {
		return
	}
	next := maps.Clone(old)
	delete(next, key)
	s.byKey.Store(&next)
}

// spans reports whether a viewer's span cuts the channel.
func (c *filteredChannel) spans() bool { return c.filter.From > 0 || c.filter.To > 0 }

// evict drops the one of its kind that was asked for least lately, when there are more than most.
func evict(all map[string]*filteredChannel, most int, kind func(*filteredChannel) bool) {
	oldest, n := "", 0
	for k, c := range all {
		if !kind(c) {
			continue
		}
		if n++; oldest == "" || c.used.Load() < all[oldest].used.Load() {
			oldest = k
		}
	}
	if n > most {
		delete(all, oldest)
	}
}
