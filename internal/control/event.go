package control

import (
	"context"
	"maps"
	"slices"
	"time"

	"headwater.stream/api"
	"headwater.stream/locator"
)

const (
	lowLatencyV2   = "LowLatencyV2"
	defaultSegment = 2 * time.Second // "default 2 s if neither in/out KFI given" (ams-v3 §1.3)
	leastSegment   = 500 * time.Millisecond
	mostSegment    = 30 * time.Second
	previewPolicy  = "Predefined_ClearStreamingOnly"
)

// eventWire is an event as the API shows it.
func (s *Service) eventWire(r *row[eventRec]) *api.LiveEvent {
	e := &r.rec
	v := &api.LiveEvent{
		Tracked: api.Tracked{
			Resource: api.Resource{Name: e.Name, ID: s.path(api.LiveEvents, e.Name), Type: "Microsoft.Media/mediaservices/liveevents",
				SystemData: e.systemData(), ETag: r.etag()},
			Location: e.Location, Tags: e.Tags,
		},
		Properties: e.Properties,
	}
	p := &v.Properties
	input, preview := *p.Input, *p.Preview
	// The URLs never change, so they are shown in every state (ams-v3 §2.2).
	input.Endpoints = nil
	for _, base := range s.o.IngestBases {
		input.Endpoints = append(input.Endpoints, api.LiveEventEndpoint{Protocol: "RTMP", URL: base + "/live/" + input.AccessToken})
	}
	preview.Endpoints = []api.LiveEventEndpoint{{Protocol: "FragmentedMP4",
		URL: s.o.OriginBase + "/" + preview.PreviewLocator + "/" + locator.PreviewName + ".ism/manifest"}}
	p.Input, p.Preview = &input, &preview
	p.ResourceState, p.ProvisioningState = e.State, api.Succeeded
	if !e.Made {
		p.ProvisioningState = api.InProgress
	}
	p.Created, p.LastModified = api.NewTime(e.Created), api.NewTime(e.Modified)
	return v
}

// ListLiveEvents implements api.Service.
func (s *Service) ListLiveEvents(_ context.Context, o api.ListOptions) (api.Page[*api.LiveEvent], error) {
	return listRows(s, &s.events, o, nil, func(r *row[eventRec]) fields { return namedFields(r.rec.stamp) }, s.eventWire)
}

// GetLiveEvent implements api.Service.
func (s *Service) GetLiveEvent(_ context.Context, name string) (*api.LiveEvent, error) {
	r, err := lookup(s, &s.events, name)
	if err != nil {
		return nil, err
	}
	return s.eventWire(r), nil
}

// CreateLiveEvent implements api.Service.
func (s *Service) CreateLiveEvent(ctx context.Context, name string, v *api.LiveEvent, o api.WriteOptions) (*api.LiveEvent, *api.Operation, error) {
	if err := checkHostName(name, maxEventName); err != nil {
		return nil, nil, err
	}
	if v.Location == "" {
		return nil, nil, &api.Error{Code: api.CodeLocationRequired, Target: "location", Message: "The location property is required for this resource.", Hint: `Send "location": "local".`}
	}
	p := v.Properties
	if err := prepareEvent(&p); err != nil {
		return nil, nil, err
	}
	x := s.begin()
	defer x.end()
	if r := s.events.find(name); r != nil {
		if err := checkMatch(o, r.etag()); err != nil {
			return nil, nil, err
		}
		return nil, nil, conflict(name, "Change it with PATCH, or delete it first.", "The live event '%s' exists.", r.rec.Name)
	} else if err := checkMatch(o, ""); err != nil {
		return nil, nil, err
	}
	if err := checkQuota(len(s.events.rows), s.o.Quotas.LiveEvents, "live events"); err != nil {
		return nil, nil, err
	}
	if err := s.identify(&p); err != nil {
		return nil, nil, err
	}
	rec := eventRec{tracked: tracked{stamp: s.stamp(ctx, name), Location: v.Location, Tags: v.Tags}, Properties: p, State: api.Stopped}
	if o.AutoStart {
		rec.State = api.Starting
	}
	op := s.operate(x, verbCreate, api.LiveEvents, name)
	rec.Operation = op.ID
	r := put(x, &s.events, key(name), rec)
	if err := x.commit(ctx); err != nil {
		return nil, nil, err
	}
	return s.eventWire(r), op.wire(), nil
}

// prepareEvent checks what a caller wants of an event, fills in defaults and brings values to their exact spelling.
func prepareEvent(p *api.LiveEventProperties) (err error) {
	if len(p.Description) > maxDescription {
		return bad("properties.description", "The description is longer than %d bytes.", maxDescription)
	}
	if p.Input == nil || p.Input.StreamingProtocol == "" {
		return bad("properties.input.streamingProtocol", "The property 'input.streamingProtocol' is required.")
	}
	in := *p.Input
	p.Input = &in
	in.Endpoints, in.TimedMetadataEndpoints = nil, nil
	if in.StreamingProtocol, err = oneOf("properties.input.streamingProtocol", in.StreamingProtocol, "RTMP", "FragmentedMP4"); err != nil {
		return err
	}
	if in.StreamingProtocol != "RTMP" {
		return unsupported("properties.input.streamingProtocol", "This server takes RTMP only.", `Use "streamingProtocol": "RTMP" and point the encoder at the RTMP URL.`)
	}
	if in.KeyFrameIntervalDuration != "" {
		if _, err := checkDuration("properties.input.keyFrameIntervalDuration", in.KeyFrameIntervalDuration, leastSegment, mostSegment); err != nil {
			return err
		}
	}
	if in.AccessControl != nil {
		if err := checkRanges("properties.input.accessControl.ip.allow", in.AccessControl.IP); err != nil {
			return err
		}
	}
	pre := api.LiveEventPreview{}
	if p.Preview != nil {
		pre = *p.Preview
	}
	p.Preview = &pre
	pre.Endpoints = nil
	if pre.AccessControl != nil {
		if err := checkRanges("properties.preview.accessControl.ip.allow", pre.AccessControl.IP); err != nil {
			return err
		}
	}
	if pre.StreamingPolicyName == "" {
		pre.StreamingPolicyName = previewPolicy
	}
	if pre.StreamingPolicyName, err = oneOf("properties.preview.streamingPolicyName", pre.StreamingPolicyName, previewPolicy, "Predefined_DownloadAndClearStreaming"); err != nil {
		return unsupported("properties.preview.streamingPolicyName", "The preview is served in the clear only.", `Leave it out, or use "`+previewPolicy+`".`)
	}
	if len(p.Transcriptions) > 0 {
		return unsupported("properties.transcriptions", "This server does not transcribe.", "Leave transcriptions out.")
	}
	if err := prepareEncoding(p); err != nil {
		return err
	}
	if len(p.StreamOptions) == 0 {
		p.StreamOptions = []string{"Default"}
	}
	p.StreamOptions = slices.Clone(p.StreamOptions)
	for i, o := range p.StreamOptions {
		if p.StreamOptions[i], err = oneOf("properties.streamOptions", o, "Default", "LowLatency", lowLatencyV2); err != nil {
			return err
		}
	}
	if p.HostnamePrefix != "" {
		if err := checkHostName(p.HostnamePrefix, maxName); err != nil {
			return bad("properties.hostnamePrefix", "'hostnamePrefix' may have letters, digits and inner hyphens.")
		}
	}
	p.ProvisioningState, p.ResourceState, p.Created, p.LastModified = "", "", nil, nil
	return nil
}

// prepareEncoding takes what passes the stream through, and says clearly that nothing else is done.
func prepareEncoding(p *api.LiveEventProperties) (err error) {
	enc := api.LiveEventEncoding{}
	if p.Encoding != nil {
		enc = *p.Encoding
	}
	p.Encoding = &enc
	if enc.EncodingType == "" {
		enc.EncodingType = "PassthroughStandard"
	}
	const target = "properties.encoding.encodingType"
	if enc.EncodingType, err = oneOf(target, enc.EncodingType, "None", "Standard", "Premium1080p", "PassthroughBasic", "PassthroughStandard"); err != nil {
		return err
	}
	switch {
	case enc.EncodingType == "Standard" || enc.EncodingType == "Premium1080p":
		return unsupported(target, "This server does not transcode: the encoding type "+enc.EncodingType+" is not available.",
			"Use PassthroughStandard and send the qualities you want from the encoder.")
	case enc.PresetName != "":
		return unsupported("properties.encoding.presetName", "A pass-through event has no preset.", "Leave presetName out.")
	case enc.KeyFrameInterval != "":
		return unsupported("properties.encoding.keyFrameInterval", "A pass-through event takes the encoder's key frames.",
			"Leave keyFrameInterval out; input.keyFrameIntervalDuration sets the segment length.")
	case enc.StretchMode != "":
		enc.StretchMode, err = oneOf("properties.encoding.stretchMode", enc.StretchMode, "None", "AutoSize", "AutoFit")
	}
	return err
}

// identify gives a new event its access token and preview locator: the caller's, when nobody else has them.
func (s *Service) identify(p *api.LiveEventProperties) error {
	token, preview := newGUID(), newGUID()
	var err error
	if p.Input.AccessToken != "" {
		if token, err = parseGUID("properties.input.accessToken", p.Input.AccessToken); err != nil {
			return err
		}
	}
	if p.Preview.PreviewLocator != "" {
		if preview, err = parseGUID("properties.preview.previewLocator", p.Preview.PreviewLocator); err != nil {
			return err
		}
	}
	p.Input.AccessToken, p.Preview.PreviewLocator = plainToken(token), preview
	for _, e := range s.events.rows {
		if e.rec.Properties.Input.AccessToken == p.Input.AccessToken {
			// Not its name: who guesses tokens learns nothing more.
			return conflict("properties.input.accessToken", "Leave it out to have one made.", "The accessToken is used by another live event.")
		}
	}
	if s.publicID(preview) {
		return conflict("properties.preview.previewLocator", "Leave it out to have one made.", "The previewLocator is used by another preview or locator.")
	}
	return nil
}

// publicID reports whether a preview or locator is served under id.
func (s *Service) publicID(id string) bool {
	for _, e := range s.events.rows {
		if e.rec.Properties.Preview.PreviewLocator == id {
			return true
		}
	}
	for _, l := range s.locators.rows {
		if l.rec.Properties.StreamingLocatorID == id {
			return true
		}
	}
	return false
}

// plainToken is how AMS shows access tokens: 32 hex digits without hyphens.
func plainToken(guid string) string {
	plain := make([]byte, 0, 32)
	for i := range len(guid) {
		if guid[i] != '-' {
			plain = append(plain, guid[i])
		}
	}
	return string(plain)
}

// UpdateLiveEvent implements api.Service.
func (s *Service) UpdateLiveEvent(ctx context.Context, name string, patch api.Patch, o api.WriteOptions) (*api.LiveEvent, error) {
	r, err := s.updateEvent(ctx, name, patch, o)
	if err != nil {
		return nil, err
	}
	s.settle(ctx) // allow lists are in force when the answer is out
	return s.eventWire(r), nil
}

func (s *Service) updateEvent(ctx context.Context, name string, patch api.Patch, o api.WriteOptions) (*row[eventRec], error) {
	x := s.begin()
	defer x.end()
	old := s.events.find(name)
	if old == nil {
		return nil, api.NotFound(name)
	}
	if err := checkMatch(o, old.etag()); err != nil {
		return nil, err
	}
	rec := old.rec
	v, err := merge(&api.LiveEvent{Tracked: api.Tracked{Location: rec.Location, Tags: rec.Tags}, Properties: rec.Properties}, patch)
	if err != nil {
		return nil, err
	}
	if v.Properties.Preview == nil {
		v.Properties.Preview = &api.LiveEventPreview{}
	}
	if err := s.busy("live event", rec.Name, rec.Operation); err != nil {
		return nil, err
	}
	if v.Location == "" {
		v.Location = rec.Location
	}
	if err := prepareEvent(&v.Properties); err != nil {
		return nil, err
	}
	if err := createOnly(&rec, &v.Properties); err != nil {
		return nil, err
	}
	rec.Location, rec.Tags, rec.Properties = v.Location, maps.Clone(v.Tags), v.Properties
	s.touch(ctx, &rec.stamp)
	r := put(x, &s.events, old.key, rec)
	return r, x.commit(ctx)
}

// createOnly refuses changes that the state, or the life, of an event does not allow (ams-v3 §2.1). What is repeated
// unchanged passes, in whatever spelling.
func createOnly(old *eventRec, p *api.LiveEventProperties) error {
	was := &old.Properties
	for _, id := range []*string{&p.Input.AccessToken, &p.Preview.PreviewLocator} {
		if *id == "" {
			continue
		}
		parsed, err := parseGUID("properties", *id)
		if err != nil {
			return err
		}
		*id = parsed
	}
	p.Input.AccessToken = plainToken(p.Input.AccessToken)
	for _, c := range []struct{ target, was, now string }{
		{"properties.input.streamingProtocol", was.Input.StreamingProtocol, p.Input.StreamingProtocol},
		{"properties.input.accessToken", was.Input.AccessToken, p.Input.AccessToken},
		{"properties.preview.previewLocator", was.Preview.PreviewLocator, p.Preview.PreviewLocator},
		{"properties.preview.streamingPolicyName", was.Preview.StreamingPolicyName, p.Preview.StreamingPolicyName},
		{"properties.preview.alternativeMediaId", was.Preview.AlternativeMediaID, p.Preview.AlternativeMediaID},
		{"properties.encoding.encodingType", was.Encoding.EncodingType, p.Encoding.EncodingType},
		{"properties.encoding.presetName", was.Encoding.PresetName, p.Encoding.PresetName},
	} {
		if c.was != c.now {
			return &api.Error{Code: api.CodeBadRequest, Target: c.target, Message: "'" + c.target + "' is set at creation and cannot be changed.",
				Hint: "Delete the live event and make it again."}
		}
	}
	if !slices.Equal(was.StreamOptions, p.StreamOptions) {
		return &api.Error{Code: api.CodeBadRequest, Target: "properties.streamOptions", Message: "'properties.streamOptions' is set at creation and cannot be changed.",
			Hint: "Delete the live event and make it again."}
	}
	stopped := old.State == api.Stopped
	for _, c := range []struct {
		target  string
		changed bool
		allowed bool
	}{
		{"properties.hostnamePrefix", was.HostnamePrefix != p.HostnamePrefix, stopped || old.State == api.StandBy},
		{"properties.useStaticHostname", was.UseStaticHostname != p.UseStaticHostname, stopped || old.State == api.StandBy},
		{"properties.input.keyFrameIntervalDuration", was.Input.KeyFrameIntervalDuration != p.Input.KeyFrameIntervalDuration, stopped || old.State == api.StandBy},
	} {
		if c.changed && !c.allowed {
			return &api.Error{Code: api.CodeBadRequest, Target: c.target, Message: "'" + c.target + "' cannot be changed while the live event is " + old.State + ".",
				Hint: "Stop the live event first."}
		}
	}
	return nil
}
