package api

// LiveEvent takes one encoder's stream.
type LiveEvent struct {
	Tracked
	Properties LiveEventProperties `json:"properties"`
}

// LiveEventProperties are the properties of a live event.
type LiveEventProperties struct {
	Description             string                   `json:"description,omitempty"`
	Input                   *LiveEventInput          `json:"input,omitempty"`
	Preview                 *LiveEventPreview        `json:"preview,omitempty"`
	Encoding                *LiveEventEncoding       `json:"encoding,omitempty"`
	Transcriptions          []LiveEventTranscription `json:"transcriptions,omitempty"`
	ProvisioningState       string                   `json:"provisioningState,omitempty"`
	ResourceState           string                   `json:"resourceState,omitempty"`
	CrossSiteAccessPolicies *CrossSiteAccessPolicies `json:"crossSiteAccessPolicies,omitempty"`
	UseStaticHostname       bool                     `json:"useStaticHostname"`
	HostnamePrefix          string                   `json:"hostnamePrefix,omitempty"`
	StreamOptions           []string                 `json:"streamOptions,omitempty"`
	Created                 *Time                    `json:"created,omitempty"`
	LastModified            *Time                    `json:"lastModified,omitempty"`
}

// LiveEventInput says how the encoder sends.
type LiveEventInput struct {
	StreamingProtocol        string              `json:"streamingProtocol,omitempty"`
	AccessControl            *AccessControl      `json:"accessControl,omitempty"`
	KeyFrameIntervalDuration string              `json:"keyFrameIntervalDuration,omitempty"`
	AccessToken              string              `json:"accessToken,omitempty"`
	Endpoints                []LiveEventEndpoint `json:"endpoints"`
	TimedMetadataEndpoints   []TimedMetadata     `json:"timedMetadataEndpoints,omitempty"`
}

// LiveEventEndpoint is an ingest or preview URL.
type LiveEventEndpoint struct {
	Protocol string `json:"protocol,omitempty"`
	URL      string `json:"url,omitempty"`
}

// TimedMetadata is a URL that takes timed metadata.
type TimedMetadata struct {
	URL string `json:"url,omitempty"`
}

// LiveEventPreview says where to look at the stream before it is published.
type LiveEventPreview struct {
	Endpoints           []LiveEventEndpoint `json:"endpoints"`
	AccessControl       *AccessControl      `json:"accessControl,omitempty"`
	PreviewLocator      string              `json:"previewLocator,omitempty"`
	StreamingPolicyName string              `json:"streamingPolicyName,omitempty"`
	AlternativeMediaID  string              `json:"alternativeMediaId,omitempty"`
}

// LiveEventEncoding says what is done to the stream; here it passes through.
type LiveEventEncoding struct {
	EncodingType     string `json:"encodingType,omitempty"`
	PresetName       string `json:"presetName,omitempty"`
	StretchMode      string `json:"stretchMode,omitempty"`
	KeyFrameInterval string `json:"keyFrameInterval,omitempty"`
}

// LiveEventTranscription asks for live captions.
type LiveEventTranscription struct {
	Language string `json:"language,omitempty"`
}

// StopOptions is the body of a stop.
type StopOptions struct {
	RemoveOutputsOnStop bool `json:"removeOutputsOnStop,omitempty"`
}

// LiveEventStatus is what getStatus says of an event.
type LiveEventStatus struct {
	State              string         `json:"state"`
	HealthStatus       string         `json:"healthStatus,omitempty"`
	HealthDescriptions []string       `json:"healthDescriptions"`
	LastUpdatedTime    *Time          `json:"lastUpdatedTime,omitempty"`
	Ingestion          *LiveIngestion `json:"ingestion,omitempty"`
	TrackStatus        []TrackStatus  `json:"trackStatus"`
}

// LiveIngestion is one encoder connection.
type LiveIngestion struct {
	StreamName          string             `json:"streamName,omitempty"`
	Begin               *Time              `json:"begin,omitempty"`
	End                 *Time              `json:"end,omitempty"`
	EndReason           string             `json:"endReason,omitempty"`
	IngestInterruptions []LiveInterruption `json:"ingestInterruptions"`
	Encoder             string             `json:"encoder,omitempty"` // address of the encoder; not in AMS
}

// LiveInterruption is a time without an encoder, between two that sent.
type LiveInterruption struct {
	Begin    *Time  `json:"begin"`
	End      *Time  `json:"end"`
	Duration string `json:"duration"` // ISO 8601
	Reason   string `json:"reason,omitempty"`
}

// TrackStatus is one incoming track.
type TrackStatus struct {
	TrackID         string `json:"trackId"`
	ExpectedBitrate int32  `json:"expectedBitrate,omitempty"`
	IncomingBitrate int32  `json:"incomingBitrate,omitempty"`
	IngestDrift     string `json:"ingestDrift,omitempty"` // seconds per minute, or "n/a"
}

// StreamEvents is the answer to getStreamEvents.
type StreamEvents struct {
	Value []StreamEvent `json:"value"`
	ETag  string        `json:"-"`
}

// StreamEvent is something that happened to the input of a live event.
type StreamEvent struct {
	EventType  string          `json:"eventType"` // "StreamEvent/BeginIngest"
	EventTime  *Time           `json:"eventTime"`
	EventLevel string          `json:"eventLevel"`
	Data       StreamEventData `json:"data"`
}

// StreamEventData says what a stream event is about. Timestamps are strings, as in AMS.
type StreamEventData struct {
	StreamName       string `json:"streamName,omitempty"`
	RemoteIP         string `json:"remoteIp,omitempty"`
	RemotePort       string `json:"remotePort,omitempty"`
	ResultCode       string `json:"resultCode,omitempty"`
	ResultMessage    string `json:"resultMessage,omitempty"`
	TrackType        string `json:"trackType,omitempty"`
	TrackName        string `json:"trackName,omitempty"`
	FourCC           string `json:"fourCC,omitempty"`
	Bitrate          int32  `json:"bitrate,omitempty"`
	Timestamp        string `json:"timestamp,omitempty"`
	DiscontinuityGap string `json:"discontinuityGap,omitempty"`
	Timescale        string `json:"timescale,omitempty"`
}

// TrackHeartbeats is the answer to getTrackIngestHeartbeats.
type TrackHeartbeats struct {
	Value []TrackEvent `json:"value"`
	ETag  string       `json:"-"`
}

// TrackEvent is a heartbeat of an incoming track.
type TrackEvent struct {
	EventType string         `json:"eventType"` // "TrackEvent/IngestHeartbeat"
	EventTime *Time          `json:"eventTime"`
	Data      TrackEventData `json:"data"`
}

// TrackEventData is how a track came in during the last 20 seconds.
type TrackEventData struct {
	TrackType               string `json:"trackType"`
	TrackName               string `json:"trackName"`
	Bitrate                 int32  `json:"bitrate"`
	IncomingBitrate         int32  `json:"incomingBitrate"`
	LastTimestamp           string `json:"lastTimestamp"`
	Timescale               string `json:"timescale"`
	LastFragmentArrivalTime *Time  `json:"lastFragmentArrivalTime,omitempty"`
	OverlapCount            int32  `json:"overlapCount"`
	DiscontinuityCount      int32  `json:"discontinuityCount"`
	NonincreasingCount      int32  `json:"nonincreasingCount"`
	UnexpectedBitrate       bool   `json:"unexpectedBitrate"`
	State                   string `json:"state"`
	Healthy                 bool   `json:"healthy"`
	IngestDriftValue        string `json:"ingestDriftValue"`
}

// LiveEventStatusList is the answer to getStatus.
type LiveEventStatusList struct {
	Value []LiveEventStatus `json:"value"`
}

// LiveOutput records a live event into an asset from its creation to its deletion.
type LiveOutput struct {
	Resource
	Properties LiveOutputProperties `json:"properties"`
}

// LiveOutputProperties are the properties of a live output.
type LiveOutputProperties struct {
	Description         string   `json:"description,omitempty"`
	AssetName           string   `json:"assetName,omitempty"`
	ArchiveWindowLength string   `json:"archiveWindowLength,omitempty"`
	RewindWindowLength  string   `json:"rewindWindowLength,omitempty"`
	ManifestName        string   `json:"manifestName,omitempty"`
	HLS                 *HLSPack `json:"hls"` // null on the wire when unset
	OutputSnapTime      Int64    `json:"outputSnapTime"`
	Created             *Time    `json:"created,omitempty"`
	LastModified        *Time    `json:"lastModified,omitempty"`
	ProvisioningState   string   `json:"provisioningState,omitempty"`
	ResourceState       string   `json:"resourceState,omitempty"`
}

// HLSPack concerns transport-stream segments, which are not made; it is kept and given back.
type HLSPack struct {
	FragmentsPerTSSegment *int32 `json:"fragmentsPerTsSegment,omitempty"`
}
