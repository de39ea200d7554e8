package api

import (
	"context"
	"net/http"
)

// The kinds of track, as TrackBase.ODataType names them.
const (
	AudioTrackType = "#Microsoft.Media.AudioTrack"
	VideoTrackType = "#Microsoft.Media.VideoTrack"
)

// AssetTrack is a track of the recording in an asset.
type AssetTrack struct {
	Resource
	Properties AssetTrackProperties `json:"properties"`
}

// AssetTrackProperties are the properties of a track.
type AssetTrackProperties struct {
	ProvisioningState string `json:"provisioningState,omitempty"`
	Track             *Track `json:"track,omitempty"`
}

// Track says what a track is. Of a video track AMS shows the kind alone.
type Track struct {
	ODataType    string `json:"@odata.type"`
	BitRate      int32  `json:"bitRate,omitempty"`
	LanguageCode string `json:"languageCode,omitempty"`
	DisplayName  string `json:"displayName,omitempty"`
	FileName     string `json:"fileName,omitempty"`
	Codec        string `json:"codec,omitempty"` // RFC 6381; not in AMS
}

// TrackService shows the tracks of assets. They are what the encoder sent: none can be added, changed or removed.
type TrackService interface {
	ListTracks(ctx context.Context, asset string, o ListOptions) (Page[*AssetTrack], error)
	GetTrack(ctx context.Context, asset, name string) (*AssetTrack, error)
	PutTrack(ctx context.Context, asset, name string, t *AssetTrack, o WriteOptions) (t2 *AssetTrack, created bool, err error)
	UpdateTrack(ctx context.Context, asset, name string, p Patch, o WriteOptions) (*AssetTrack, error)
	DeleteTrack(ctx context.Context, asset, name string, o WriteOptions) (existed bool, err error)
	UpdateTrackData(ctx context.Context, asset, name string) error
}

// ListTracks returns the tracks of an asset's recording.
func (c *Client) ListTracks(ctx context.Context, asset string) ([]*AssetTrack, error) {
	return all[*AssetTrack](ctx, c, ListOptions{}, Assets, asset, Tracks)
}

// GetTrack returns a track.
func (c *Client) GetTrack(ctx context.Context, asset, name string) (*AssetTrack, error) {
	return get1[AssetTrack](ctx, c, http.MethodGet, nil, Assets, asset, Tracks, name)
}
