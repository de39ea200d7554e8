package api

// Names of the collections, as they stand in IDs and paths.
const (
	LiveEvents         = "liveEvents"
	LiveOutputs        = "liveOutputs"
	StreamingEndpoints = "streamingEndpoints"
	Assets             = "assets"
	AssetFilters       = "assetFilters"
	Tracks             = "tracks"
	ContentKeyPolicies = "contentKeyPolicies"
	AccountFilters     = "accountFilters"
	StreamingLocators  = "streamingLocators"
	StreamingPolicies  = "streamingPolicies"
)

// Values of resourceState.
const (
	Stopped    = "Stopped"
	Allocating = "Allocating"
	StandBy    = "StandBy"
	Starting   = "Starting"
	Running    = "Running"
	Stopping   = "Stopping"
	Deleting   = "Deleting"
	Creating   = "Creating"
	Scaling    = "Scaling"
)

// Values of provisioningState and of the status of an operation.
const (
	InProgress = "InProgress"
	Succeeded  = "Succeeded"
	Failed     = "Failed"
)

// SystemData says who made and changed a resource, and when.
type SystemData struct {
	CreatedBy          string `json:"createdBy,omitempty"`
	CreatedByType      string `json:"createdByType,omitempty"`
	CreatedAt          *Time  `json:"createdAt,omitempty"`
	LastModifiedBy     string `json:"lastModifiedBy,omitempty"`
	LastModifiedByType string `json:"lastModifiedByType,omitempty"`
	LastModifiedAt     *Time  `json:"lastModifiedAt,omitempty"`
}

// Resource is the envelope of every resource. The server fills it; what a request says here is ignored.
type Resource struct {
	Name       string      `json:"name,omitempty"`
	ID         string      `json:"id,omitempty"`
	Type       string      `json:"type,omitempty"`
	SystemData *SystemData `json:"systemData,omitempty"`
	ETag       string      `json:"-"` // of this version, travels as a header
}

func (r *Resource) etag() string { return r.ETag }

// Tracked is the envelope of the resources that have a location and tags.
type Tracked struct {
	Resource
	Location string            `json:"location,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// IPRange is a single address, or with a prefix length a network.
type IPRange struct {
	Name               string `json:"name,omitempty"`
	Address            string `json:"address"`
	SubnetPrefixLength *int32 `json:"subnetPrefixLength,omitempty"` // absent: one address; 0 is everyone, not absent
}

// IPAccessControl is an allow list. An absent list (null) lets everybody in, an empty one nobody.
type IPAccessControl struct {
	Allow []IPRange `json:"allow"`
}

// AccessControl restricts who may send to, or watch, something.
type AccessControl struct {
	IP *IPAccessControl `json:"ip,omitempty"`
}

// CrossSiteAccessPolicies are kept and given back; they concern Silverlight and Flash clients.
type CrossSiteAccessPolicies struct {
	ClientAccessPolicy string `json:"clientAccessPolicy,omitempty"`
	CrossDomainPolicy  string `json:"crossDomainPolicy,omitempty"`
}

// Page is one page of a list.
type Page[T any] struct {
	Value    []T    `json:"value"`
	NextLink string `json:"@odata.nextLink,omitempty"` // a Service puts the continuation token here, the handler the whole link
}
