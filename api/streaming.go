package api

// StreamingEndpoint serves published presentations while it runs.
type StreamingEndpoint struct {
	Tracked
	Properties StreamingEndpointProperties `json:"properties"`
	SKU        *EndpointSKU                `json:"sku,omitempty"`
}

// EndpointSKU is the class of an endpoint.
type EndpointSKU struct {
	Name     string `json:"name,omitempty"`
	Capacity *int32 `json:"capacity,omitempty"`
}

// StreamingEndpointProperties are the properties of a streaming endpoint.
type StreamingEndpointProperties struct {
	Description             string                   `json:"description,omitempty"`
	ScaleUnits              *int32                   `json:"scaleUnits,omitempty"`
	AvailabilitySetName     string                   `json:"availabilitySetName,omitempty"`
	AccessControl           *EndpointAccessControl   `json:"accessControl,omitempty"`
	MaxCacheAge             *Int64                   `json:"maxCacheAge,omitempty"`
	CustomHostNames         []string                 `json:"customHostNames,omitempty"`
	HostName                string                   `json:"hostName,omitempty"`
	Scheme                  string                   `json:"scheme,omitempty"` // "http" or "https": what HostName speaks; not of AMS, read-only
	CDNEnabled              bool                     `json:"cdnEnabled"`
	CDNProvider             string                   `json:"cdnProvider,omitempty"`
	CDNProfile              string                   `json:"cdnProfile,omitempty"`
	ProvisioningState       string                   `json:"provisioningState,omitempty"`
	ResourceState           string                   `json:"resourceState,omitempty"`
	CrossSiteAccessPolicies *CrossSiteAccessPolicies `json:"crossSiteAccessPolicies,omitempty"`
	FreeTrialEndTime        *Time                    `json:"freeTrialEndTime,omitempty"`
	Created                 *Time                    `json:"created,omitempty"`
	LastModified            *Time                    `json:"lastModified,omitempty"`
}

// EndpointAccessControl restricts who may watch.
type EndpointAccessControl struct {
	Akamai *AkamaiAccessControl `json:"akamai,omitempty"`
	IP     *IPAccessControl     `json:"ip,omitempty"`
}

// AkamaiAccessControl holds the keys of signed requests from Akamai's network.
type AkamaiAccessControl struct {
	Keys []AkamaiKey `json:"akamaiSignatureHeaderAuthenticationKeyList,omitempty"`
}

// AkamaiKey is one such key.
type AkamaiKey struct {
	Identifier string `json:"identifier,omitempty"`
	Base64Key  string `json:"base64Key,omitempty"`
	Expiration *Time  `json:"expiration,omitempty"`
}

// ScaleOptions is the body of a scale.
type ScaleOptions struct {
	ScaleUnit *int32 `json:"scaleUnit,omitempty"`
}

// EndpointSKUs is the answer to skus.
type EndpointSKUs struct {
	Value []EndpointSKUInfo `json:"value"`
}

// EndpointSKUInfo is one class an endpoint can have.
type EndpointSKUInfo struct {
	ResourceType string           `json:"resourceType"`
	SKU          EndpointSKU      `json:"sku"`
	Capacity     EndpointCapacity `json:"capacity"`
}

// EndpointCapacity is the range of scale units.
type EndpointCapacity struct {
	ScaleType     string  `json:"scaleType"`
	Default       int32   `json:"default"`
	Minimum       int32   `json:"minimum"`
	Maximum       int32   `json:"maximum"`
	AllowedValues []int32 `json:"allowedValues,omitempty"`
}

// StreamingLocator publishes an asset. It never changes.
type StreamingLocator struct {
	Resource
	Properties StreamingLocatorProperties `json:"properties"`
}

// StreamingLocatorProperties are the properties of a streaming locator.
type StreamingLocatorProperties struct {
	AssetName                   string       `json:"assetName,omitempty"`
	StreamingPolicyName         string       `json:"streamingPolicyName,omitempty"`
	StreamingLocatorID          string       `json:"streamingLocatorId,omitempty"`
	Created                     *Time        `json:"created,omitempty"`
	StartTime                   *Time        `json:"startTime,omitempty"`
	EndTime                     *Time        `json:"endTime,omitempty"`
	DefaultContentKeyPolicyName string       `json:"defaultContentKeyPolicyName,omitempty"`
	ContentKeys                 []ContentKey `json:"contentKeys"`
	AlternativeMediaID          string       `json:"alternativeMediaId,omitempty"`
	Filters                     []string     `json:"filters"`
	// Access says who may watch, not of AMS; nil: everybody. It alone can be changed (setAccess).
	Access *LocatorAccess `json:"access,omitempty"`
}

// ContentKey is a key of an encrypted locator.
type ContentKey struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type,omitempty"`
}

// ContentKeys is the answer to listContentKeys.
type ContentKeys struct {
	ContentKeys []ContentKey `json:"contentKeys"`
}

// Paths is the answer to listPaths.
type Paths struct {
	StreamingPaths []StreamingPath `json:"streamingPaths"`
	DownloadPaths  []string        `json:"downloadPaths"`
	ThumbnailPaths []string        `json:"thumbnailPaths,omitempty"` // ours: the poster and the storyboard of the recording
}

// StreamingPath are the paths of one protocol; they start with a slash and name no host.
type StreamingPath struct {
	StreamingProtocol string   `json:"streamingProtocol"`
	EncryptionScheme  string   `json:"encryptionScheme"`
	Paths             []string `json:"paths"`
}

// StreamingPolicy says which protocols a locator serves, and how encrypted. It never changes.
type StreamingPolicy struct {
	Resource
	Properties StreamingPolicyProperties `json:"properties"`
}

// StreamingPolicyProperties are the properties of a streaming policy. The encrypted forms are looked at only to refuse them.
type StreamingPolicyProperties struct {
	Created                     *Time               `json:"created,omitempty"`
	DefaultContentKeyPolicyName string              `json:"defaultContentKeyPolicyName,omitempty"`
	NoEncryption                *NoEncryption       `json:"noEncryption,omitempty"`
	EnvelopeEncryption          *EncryptedStreaming `json:"envelopeEncryption,omitempty"`
	CommonEncryptionCENC        *EncryptedStreaming `json:"commonEncryptionCenc,omitempty"`
	CommonEncryptionCBCS        *EncryptedStreaming `json:"commonEncryptionCbcs,omitempty"`
}

// NoEncryption is streaming in the clear.
type NoEncryption struct {
	EnabledProtocols *EnabledProtocols `json:"enabledProtocols,omitempty"`
}

// EncryptedStreaming is streaming with one encryption scheme.
type EncryptedStreaming struct {
	EnabledProtocols *EnabledProtocols `json:"enabledProtocols,omitempty"`
}

// EnabledProtocols are four switches; all four have to be given.
type EnabledProtocols struct {
	Download        *bool `json:"download,omitempty"`
	DASH            *bool `json:"dash,omitempty"`
	HLS             *bool `json:"hls,omitempty"`
	SmoothStreaming *bool `json:"smoothStreaming,omitempty"`
}
