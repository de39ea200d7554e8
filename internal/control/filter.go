package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/filter"
)

func (s *Service) filterWire(r *row[filterRec]) *api.Filter {
	f := &r.rec
	v := &api.Filter{
		Resource:   api.Resource{Name: f.Name, ID: s.path(api.AccountFilters, f.Name), Type: "Microsoft.Media/mediaservices/accountFilters"},
		Properties: f.Properties,
	}
	if f.Asset != "" {
		v.ID, v.Type = s.path(api.Assets, f.Asset, api.AssetFilters, f.Name), "Microsoft.Media/mediaservices/assets/assetFilters"
	}
	v.SystemData, v.ETag = f.systemData(), r.etag()
	return v
}

// checkFilterOwner: filters of an asset need the asset.
func (s *Service) checkFilterOwner(asset string) error {
	if asset == "" {
		return nil
	}
	if !visible(s.assets.find(asset)) {
		return parentNotFound("asset", asset)
	}
	return nil
}

// ListFilters implements api.Service.
func (s *Service) ListFilters(_ context.Context, asset string, o api.ListOptions) (api.Page[*api.Filter], error) {
	s.mu.RLock()
	err := s.checkFilterOwner(asset)
	s.mu.RUnlock()
	if err != nil {
		return api.Page[*api.Filter]{}, err
	}
	mine := func(r *row[filterRec]) bool { return strings.EqualFold(r.rec.Asset, asset) }
	return listRows(s, &s.filters, o, mine, func(r *row[filterRec]) fields { return namedFields(r.rec.stamp) }, s.filterWire)
}

// GetFilter implements api.Service.
func (s *Service) GetFilter(_ context.Context, asset, name string) (*api.Filter, error) {
	r, err := lookup(s, &s.filters, asset, name)
	if err != nil {
		return nil, err
	}
	return s.filterWire(r), nil
}

// prepareFilter checks a filter and brings its words to their exact spelling. What would be refused at playback whatever the
// presentation is refused here.
func prepareFilter(p *api.FilterProperties) error {
	if err := checkTimeRange(p.PresentationTimeRange); err != nil {
		return err
	}
	if q := p.FirstQuality; q != nil && (q.Bitrate == nil || *q.Bitrate <= 0) {
		return bad("properties.firstQuality.bitrate", "'bitrate' has to be a positive number of bits per second.")
	}
	if err := spellTracks(p); err != nil {
		return err
	}
	f := FilterSpec{Properties: *p}.Filter()
	return filterError(f.Check())
}

// checkTimeRange refuses numbers that mean nothing.
func checkTimeRange(t *api.PresentationTimeRange) error {
	if t == nil {
		return nil
	}
	for _, f := range []struct {
		name string
		v    *api.Int64
		min  api.Int64
	}{{"startTimestamp", t.StartTimestamp, 0}, {"endTimestamp", t.EndTimestamp, 1}, {"presentationWindowDuration", t.PresentationWindowDuration, 0},
		{"liveBackoffDuration", t.LiveBackoffDuration, 0}, {"timescale", t.Timescale, 1}} {
		if f.v != nil && *f.v < f.min {
			return bad("properties.presentationTimeRange."+f.name, "'%s' has to be at least %d.", f.name, f.min)
		}
	}
	if t.StartTimestamp != nil && t.EndTimestamp != nil && *t.EndTimestamp <= *t.StartTimestamp {
		return bad("properties.presentationTimeRange.endTimestamp", "'endTimestamp' has to be after 'startTimestamp'.")
	}
	// "forceEndTimestamp=true requires endTimestamp (else 400)" (ams-v3 §9).
	if t.ForceEndTimestamp != nil && *t.ForceEndTimestamp && t.EndTimestamp == nil {
		return bad("properties.presentationTimeRange.endTimestamp", "'forceEndTimestamp' needs an 'endTimestamp'.")
	}
	return nil
}

// filterError says which property an error of filter.Check is about.
func filterError(err error) error {
	const timeRange = "properties.presentationTimeRange."
	for _, e := range []struct {
		is     error
		target string
	}{{filter.ErrRange, timeRange + "endTimestamp"}, {filter.ErrWindow, timeRange + "presentationWindowDuration"},
		{filter.ErrBackoff, timeRange + "liveBackoffDuration"}, {filter.ErrBackoffWindow, timeRange + "liveBackoffDuration"},
		{filter.ErrTrack, "properties.tracks.trackSelections.value"}} {
		if errors.Is(err, e.is) {
			return bad(e.target, "Impossible %v.", err)
		}
	}
	return err
}

// spellTracks brings the words of track selections to their exact spelling.
func spellTracks(p *api.FilterProperties) (err error) {
	p.Tracks = slices.Clone(p.Tracks)
	for i := range p.Tracks {
		selections := slices.Clone(p.Tracks[i].TrackSelections)
		for j := range selections {
			c := &selections[j]
			if c.Property, err = oneOf("properties.tracks.trackSelections.property", c.Property, "Type", "Name", "Language", "FourCC", "Bitrate"); err != nil {
				return err
			}
			if c.Operation, err = oneOf("properties.tracks.trackSelections.operation", c.Operation, "Equal", "NotEqual"); err != nil {
				return err
			}
		}
		p.Tracks[i].TrackSelections = selections
	}
	return nil
}

// Filter returns what the properties mean.
func (s FilterSpec) Filter() (f filter.Filter) {
	p := &s.Properties
	if t := p.PresentationTimeRange; t != nil {
		f.Start, f.End = filterTime(t, t.StartTimestamp), filterTime(t, t.EndTimestamp)
		f.Window, f.Backoff = filterTime(t, t.PresentationWindowDuration), filterTime(t, t.LiveBackoffDuration)
		f.Force = t.ForceEndTimestamp != nil && *t.ForceEndTimestamp
	}
	if q := p.FirstQuality; q != nil && q.Bitrate != nil {
		f.FirstBitrate = int(*q.Bitrate)
	}
	var list []filter.Selection
	for _, t := range p.Tracks {
		s := filter.Selection{}
		for _, c := range t.TrackSelections {
			s = append(s, filter.Condition{Property: filterProperty(c.Property), Not: c.Operation == "NotEqual", Value: c.Value})
		}
		list = append(list, s)
	}
	if list != nil {
		f.Tracks = [][]filter.Selection{list}
	}
	return f
}

// filterTime returns a timestamp as a time, 0 when it is absent.
func filterTime(t *api.PresentationTimeRange, ticks *api.Int64) time.Duration {
	if ticks == nil {
		return 0
	}
	scale := int64(filter.DefaultTimescale)
	if t.Timescale != nil {
		scale = int64(*t.Timescale)
	}
	d := filter.Timestamp(int64(*ticks), scale)
	if *ticks > 0 {
		d = max(1, d) // a tick of less than a nanosecond is not "absent"
	}
	return d
}

func filterProperty(name string) filter.Property {
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

// PutFilter implements api.Service. It is in force when the answer is out.
func (s *Service) PutFilter(ctx context.Context, asset, name string, f *api.Filter, o api.WriteOptions) (*api.Filter, bool, error) {
	v, created, err := s.putFilter(ctx, asset, name, f, o)
	if err == nil {
		s.settle(ctx)
	}
	return v, created, err
}

func (s *Service) putFilter(ctx context.Context, asset, name string, f *api.Filter, o api.WriteOptions) (*api.Filter, bool, error) {
	if err := checkName(name); err != nil {
		return nil, false, err
	}
	p := f.Properties
	if err := prepareFilter(&p); err != nil {
		return nil, false, err
	}
	x := s.begin()
	defer x.end()
	if err := s.checkFilterOwner(asset); err != nil {
		return nil, false, err
	}
	rec := filterRec{stamp: s.stamp(ctx, name), Properties: p}
	if asset != "" {
		rec.Asset = s.assets.find(asset).rec.Name
	}
	old := s.filters.find(asset, name)
	etag := ""
	if old != nil {
		etag = old.etag()
		rec.stamp = old.rec.stamp
		s.touch(ctx, &rec.stamp)
	}
	if err := checkMatch(o, etag); err != nil {
		return nil, false, err
	}
	if old == nil {
		count := 0
		for _, r := range s.filters.rows {
			if strings.EqualFold(r.rec.Asset, asset) {
				count++
			}
		}
		limit, what := s.o.Quotas.AccountFilters, "account filters"
		if asset != "" {
			limit, what = s.o.Quotas.FiltersPerAsset, "filters of one asset"
		}
		if err := checkQuota(count, limit, what); err != nil {
			return nil, false, err
		}
	}
	r := put(x, &s.filters, key(asset, name), rec)
	if err := x.commit(ctx); err != nil {
		return nil, false, err
	}
	return s.filterWire(r), old == nil, nil
}

// UpdateFilter implements api.Service. It is in force when the answer is out.
func (s *Service) UpdateFilter(ctx context.Context, asset, name string, patch api.Patch, o api.WriteOptions) (*api.Filter, error) {
	v, err := s.updateFilter(ctx, asset, name, patch, o)
	if err == nil {
		s.settle(ctx)
	}
	return v, err
}

func (s *Service) updateFilter(ctx context.Context, asset, name string, patch api.Patch, o api.WriteOptions) (*api.Filter, error) {
	x := s.begin()
	defer x.end()
	old := s.filters.find(asset, name)
	if old == nil {
		return nil, api.NotFound(name)
	}
	if err := checkMatch(o, old.etag()); err != nil {
		return nil, err
	}
	v, err := merge(&api.Filter{Properties: old.rec.Properties}, patch)
	if err != nil {
		return nil, err
	}
	if err := prepareFilter(&v.Properties); err != nil {
		return nil, err
	}
	rec := old.rec
	rec.Properties = v.Properties
	s.touch(ctx, &rec.stamp)
	r := put(x, &s.filters, old.key, rec)
	if err := x.commit(ctx); err != nil {
		return nil, err
	}
	return s.filterWire(r), nil
}

// DeleteFilter implements api.Service. It is in force when the answer is out.
func (s *Service) DeleteFilter(ctx context.Context, asset, name string, o api.WriteOptions) (bool, error) {
	existed, err := s.deleteFilter(ctx, asset, name, o)
	if err == nil {
		s.settle(ctx)
	}
	return existed, err
}

func (s *Service) deleteFilter(ctx context.Context, asset, name string, o api.WriteOptions) (bool, error) {
	return deleteRow(ctx, s, &s.filters, key(asset, name), o, func(r *row[filterRec]) error {
		var users []string
		for _, l := range s.locators.rows {
			named := slices.ContainsFunc(l.rec.Properties.Filters, func(f string) bool { return strings.EqualFold(f, r.rec.Name) })
			if named && (asset == "" || strings.EqualFold(l.rec.Properties.AssetName, asset)) {
				users = append(users, l.rec.Name)
			}
		}
		if len(users) > 0 {
			slices.Sort(users)
			return conflict(name, "Delete those first.", "The filter '%s' is in use by the streaming locators: %s.", r.rec.Name, strings.Join(users, ", "))
		}
		return nil
	})
}
