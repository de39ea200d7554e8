package control

import (
	"context"
	"strings"

	"headwater.stream/api"
)

// RecordedTrack is a track of the recording in an asset.
type RecordedTrack struct {
	Name     string // of its rendition: "v1"
	Kind     string // "video", "audio"
	Codec    string // RFC 6381
	Bitrate  int    // bit/s
	Language string // BCP 47; "und": unknown
}

func (s *Service) trackWire(asset string, t *RecordedTrack) *api.AssetTrack {
	v := &api.AssetTrack{
		Resource: api.Resource{Name: t.Name, ID: s.path(api.Assets, asset, api.Tracks, t.Name), Type: "Microsoft.Media/mediaservices/assets/tracks"},
		Properties: api.AssetTrackProperties{ProvisioningState: api.Succeeded, Track: &api.Track{
			ODataType: api.VideoTrackType, Codec: t.Codec,
		}},
	}
	if w := v.Properties.Track; t.Kind == "audio" {
		w.ODataType, w.BitRate, w.LanguageCode = api.AudioTrackType, int32(t.Bitrate), t.Language
	}
	return v
}

// tracks returns the tracks of an asset, none before there is a recording, and the asset's name as it is spelled.
func (s *Service) tracks(asset string) ([]RecordedTrack, string, error) {
	a, err := s.asset(asset)
	if err != nil {
		return nil, "", parentNotFound("asset", asset)
	}
	list, err := s.runtime.AssetTracks(a.rec.ID)
	return list, a.rec.Name, err
}

func (s *Service) track(asset, name string) (*api.AssetTrack, error) {
	list, spelled, err := s.tracks(asset)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if strings.EqualFold(list[i].Name, name) {
			return s.trackWire(spelled, &list[i]), nil
		}
	}
	return nil, api.NotFound(name)
}

// ListTracks implements api.Service.
func (s *Service) ListTracks(_ context.Context, asset string, o api.ListOptions) (api.Page[*api.AssetTrack], error) {
	var page api.Page[*api.AssetTrack]
	if o != (api.ListOptions{}) {
		return page, bad("$filter", "Lists of tracks take no query options.")
	}
	list, spelled, err := s.tracks(asset)
	if err != nil {
		return page, err
	}
	for i := range list {
		page.Value = append(page.Value, s.trackWire(spelled, &list[i]))
	}
	return page, nil
}

// GetTrack implements api.Service.
func (s *Service) GetTrack(_ context.Context, asset, name string) (*api.AssetTrack, error) {
	return s.track(asset, name)
}

// PutTrack implements api.Service: tracks come from the encoder.
func (s *Service) PutTrack(_ context.Context, asset, name string, _ *api.AssetTrack, _ api.WriteOptions) (*api.AssetTrack, bool, error) {
	if _, _, err := s.tracks(asset); err != nil {
		return nil, false, err
	}
	return nil, false, unsupported(name, "Tracks cannot be added to an asset: this server has no text tracks, and audio and video are those that the encoder sent.",
		"Send the track from the encoder.")
}

// UpdateTrack implements api.Service.
func (s *Service) UpdateTrack(_ context.Context, asset, name string, _ api.Patch, _ api.WriteOptions) (*api.AssetTrack, error) {
	if _, err := s.track(asset, name); err != nil {
		return nil, err
	}
	return nil, unsupported(name, "The tracks of a recording cannot be changed.", "Set names and languages in the encoder, or choose tracks with a filter.")
}

// DeleteTrack implements api.Service.
func (s *Service) DeleteTrack(_ context.Context, asset, name string, _ api.WriteOptions) (bool, error) {
	if _, err := s.track(asset, name); err != nil {
		if isNotFound(err) {
			err = nil
		}
		return false, err
	}
	return false, unsupported(name, "The tracks of a recording cannot be deleted.", "Leave the track out with a filter.")
}

// UpdateTrackData implements api.Service.
func (s *Service) UpdateTrackData(_ context.Context, asset, name string) error {
	if _, err := s.track(asset, name); err != nil {
		return err
	}
	return unsupported(name, "There is no source file that a track could be read from again.", "")
}
