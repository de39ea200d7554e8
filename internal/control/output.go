package control

import (
	"context"
	"time"

	"headwater.stream/api"
)

// Bounds of a live output's windows (ams-v3 §1.4).
const (
	minArchive = time.Minute
	maxArchive = 25 * time.Hour
	minRewind  = time.Minute
)

func (s *Service) outputWire(r *row[outputRec]) *api.LiveOutput {
	o := &r.rec
	v := &api.LiveOutput{
		Resource: api.Resource{Name: o.Name, ID: s.path(api.LiveEvents, o.Event, api.LiveOutputs, o.Name),
			Type: "Microsoft.Media/mediaservices/liveevents/liveoutputs", SystemData: o.systemData(), ETag: r.etag()},
		Properties: o.Properties,
	}
	p := &v.Properties
	p.ResourceState, p.ProvisioningState = o.State, api.Succeeded
	if o.State == api.Creating {
		p.ProvisioningState = api.InProgress
	}
	p.Created, p.LastModified = api.NewTime(o.Created), api.NewTime(o.Modified)
	return v
}

// ListLiveOutputs implements api.Service.
func (s *Service) ListLiveOutputs(_ context.Context, event string, o api.ListOptions) (api.Page[*api.LiveOutput], error) {
	e, err := lookup(s, &s.events, event)
	if err != nil {
		return api.Page[*api.LiveOutput]{}, parentNotFound("live event", event)
	}
	mine := func(r *row[outputRec]) bool { return r.rec.EventID == e.rec.ID }
	return listRows(s, &s.outputs, o, mine, func(r *row[outputRec]) fields { return namedFields(r.rec.stamp) }, s.outputWire)
}

func parentNotFound(what, name string) error {
	return &api.Error{Code: api.CodeParentNotFound, Target: name, Message: "The " + what + " '" + name + "' was not found."}
}

// GetLiveOutput implements api.Service.
func (s *Service) GetLiveOutput(_ context.Context, event, name string) (*api.LiveOutput, error) {
	r, err := lookup(s, &s.outputs, event, name)
	if err != nil {
		return nil, err
	}
	return s.outputWire(r), nil
}

// CreateLiveOutput implements api.Service.
func (s *Service) CreateLiveOutput(ctx context.Context, event, name string, v *api.LiveOutput, o api.WriteOptions) (*api.LiveOutput, *api.Operation, error) {
	if err := checkHostName(name, maxOutputName); err != nil {
		return nil, nil, err
	}
	p := v.Properties
	archive, err := prepareOutput(name, &p)
	if err != nil {
		return nil, nil, err
	}
	x := s.begin()
	defer x.end()
	e := s.events.find(event)
	if e == nil {
		return nil, nil, parentNotFound("live event", event)
	}
	etag := ""
	existing := s.outputs.find(event, name)
	if existing != nil {
		etag = existing.etag()
	}
	if err := checkMatch(o, etag); err != nil {
		return nil, nil, err
	}
	if existing != nil {
		return nil, nil, conflict(name, "A live output cannot be changed: delete it and make another.", "The live output '%s' exists.", existing.rec.Name)
	}
	if err := s.busy("live event", e.rec.Name, e.rec.Operation); err != nil {
		return nil, nil, err
	}
	quota, kind := s.o.Quotas.OutputsPerEvent, "live outputs of one event"
	if e.rec.Properties.Encoding.EncodingType == "PassthroughBasic" {
		quota, kind = s.o.Quotas.OutputsPerBasic, "live outputs of one PassthroughBasic event"
		if most := s.o.Quotas.BasicArchive; archive > most {
			return nil, nil, bad("properties.archiveWindowLength", "'archiveWindowLength' on a PassthroughBasic event is at most %s.", api.FormatDuration(most))
		}
	}
	if err := checkQuota(len(s.outputNames(e.rec.ID)), quota, kind); err != nil {
		return nil, nil, err
	}
	a := s.assets.find(p.AssetName)
	if a == nil || a.rec.Deleting {
		return nil, nil, &api.Error{Code: api.CodeBadRequest, Target: "properties.assetName", Message: "The asset '" + p.AssetName + "' does not exist.", Hint: "Create the asset first."}
	}
	if a.rec.Output != "" {
		return nil, nil, conflict("properties.assetName", "Make a new asset for each recording.", "The asset '%s' holds a recording already.", a.rec.Name)
	}
	rec := outputRec{stamp: s.stamp(ctx, name), Properties: p, Event: e.rec.Name, EventID: e.rec.ID, AssetID: a.rec.ID, State: api.Creating}
	asset := a.rec
	asset.ManifestName, asset.Output = p.ManifestName, rec.ID
	put(x, &s.assets, a.key, asset)
	op := s.operate(x, verbCreateOutput, api.LiveOutputs, e.rec.Name, name)
	r := put(x, &s.outputs, key(event, name), rec)
	ev := e.rec
	ev.Operation = op.ID
	put(x, &s.events, e.key, ev)
	if err := x.commit(ctx); err != nil {
		return nil, nil, err
	}
	return s.outputWire(r), op.wire(), nil
}

// prepareOutput checks an output on its own and fills in defaults.
func prepareOutput(name string, p *api.LiveOutputProperties) (archive time.Duration, err error) {
	if len(p.Description) > maxDescription {
		return 0, bad("properties.description", "The description is longer than %d bytes.", maxDescription)
	}
	if p.AssetName == "" {
		return 0, bad("properties.assetName", "The property 'assetName' is required.")
	}
	if p.ArchiveWindowLength == "" {
		return 0, bad("properties.archiveWindowLength", "The property 'archiveWindowLength' is required.")
	}
	if archive, err = checkDuration("properties.archiveWindowLength", p.ArchiveWindowLength, minArchive, maxArchive); err != nil {
		return 0, err
	}
	if p.RewindWindowLength != "" {
		// The documentation's own example has a rewind window above the archive window: it is as good as none.
		if _, err := checkDuration("properties.rewindWindowLength", p.RewindWindowLength, minRewind, maxArchive); err != nil {
			return 0, err
		}
	}
	if p.ManifestName == "" {
		p.ManifestName = name
	}
	if !validName(p.ManifestName) {
		return 0, bad("properties.manifestName", `'manifestName' may have 1 to 260 characters, none of < > %% & : \ ? / * + . ' and no control characters; it has no extension.`)
	}
	if p.OutputSnapTime < 0 {
		return 0, bad("properties.outputSnapTime", "'outputSnapTime' cannot be negative.")
	}
	if p.HLS != nil && p.HLS.FragmentsPerTSSegment != nil && *p.HLS.FragmentsPerTSSegment < 1 {
		return 0, bad("properties.hls.fragmentsPerTsSegment", "'fragmentsPerTsSegment' has to be positive.")
	}
	p.ProvisioningState, p.ResourceState, p.Created, p.LastModified = "", "", nil, nil
	return archive, nil
}

// DeleteLiveOutput implements api.Service.
func (s *Service) DeleteLiveOutput(ctx context.Context, event, name string, o api.WriteOptions) (*api.Operation, error) {
	x := s.begin()
	defer x.end()
	e, out := s.events.find(event), s.outputs.find(event, name)
	if e == nil || out == nil {
		return nil, nil
	}
	if err := checkMatch(o, out.etag()); err != nil {
		return nil, err
	}
	if err := s.busy("live event", e.rec.Name, e.rec.Operation); err != nil {
		return nil, err
	}
	op := s.operate(x, verbDeleteOutput, api.LiveOutputs, e.rec.Name, out.rec.Name)
	rec, ev := out.rec, e.rec
	rec.State, ev.Operation = api.Deleting, op.ID
	put(x, &s.outputs, out.key, rec)
	put(x, &s.events, e.key, ev)
	if err := x.commit(ctx); err != nil {
		return nil, err
	}
	return op.wire(), nil
}
