package api

// Asset holds a recording.
type Asset struct {
	Resource
	Properties AssetProperties `json:"properties"`
}

// AssetProperties are the properties of an asset.
type AssetProperties struct {
	AssetID                 string `json:"assetId,omitempty"`
	Created                 *Time  `json:"created,omitempty"`
	LastModified            *Time  `json:"lastModified,omitempty"`
	AlternateID             string `json:"alternateId,omitempty"`
	Description             string `json:"description,omitempty"`
	Container               string `json:"container,omitempty"`
	Expires                 *Time  `json:"expires,omitempty"` // not of AMS: it is deleted then, with its locators, once its recording has ended
	StorageAccountName      string `json:"storageAccountName,omitempty"`
	StorageEncryptionFormat string `json:"storageEncryptionFormat,omitempty"`
}

// AssetLocators is the answer to listStreamingLocators.
type AssetLocators struct {
	StreamingLocators []AssetLocator `json:"streamingLocators"`
}

// AssetLocator is a streaming locator in short: flat, without properties.
type AssetLocator struct {
	Name                string `json:"name"`
	AssetName           string `json:"assetName"`
	Created             *Time  `json:"created,omitempty"`
	StartTime           *Time  `json:"startTime,omitempty"`
	EndTime             *Time  `json:"endTime,omitempty"`
	StreamingLocatorID  string `json:"streamingLocatorId"`
	StreamingPolicyName string `json:"streamingPolicyName"`
}

// Filter is an asset filter or account filter: they have the same shape.
type Filter struct {
	Resource
	Properties FilterProperties `json:"properties"`
}

// FilterProperties say what of a presentation is shown.
type FilterProperties struct {
	PresentationTimeRange *PresentationTimeRange `json:"presentationTimeRange,omitempty"`
	FirstQuality          *FirstQuality          `json:"firstQuality,omitempty"`
	Tracks                []FilterTrack          `json:"tracks,omitempty"`
}

// PresentationTimeRange cuts in time, in units of 1/timescale s (default 10 000 000).
type PresentationTimeRange struct {
	StartTimestamp             *Int64 `json:"startTimestamp,omitempty"`
	EndTimestamp               *Int64 `json:"endTimestamp,omitempty"`
	PresentationWindowDuration *Int64 `json:"presentationWindowDuration,omitempty"`
	LiveBackoffDuration        *Int64 `json:"liveBackoffDuration,omitempty"`
	Timescale                  *Int64 `json:"timescale,omitempty"`
	ForceEndTimestamp          *bool  `json:"forceEndTimestamp,omitempty"`
}

// FirstQuality is the bit rate to list first.
type FirstQuality struct {
	Bitrate *int32 `json:"bitrate,omitempty"`
}

// FilterTrack selects tracks that meet all its conditions.
type FilterTrack struct {
	TrackSelections []TrackCondition `json:"trackSelections"`
}

// TrackCondition compares one property of a track.
type TrackCondition struct {
	Property  string `json:"property"`
	Operation string `json:"operation"`
	Value     string `json:"value"`
}
