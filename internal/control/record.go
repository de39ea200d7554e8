package control

import (
	"time"

	"headwater.stream/api"
)

// The stored records. Their JSON is format 1 of the control state (docs/format/state.md); properties are kept as the API shows
// them, without what only the server sets.

// stamp is what every record knows of itself.
type stamp struct {
	ID         string    `json:"id"` // made with the record and never used again, unlike the name
	Name       string    `json:"name"`
	Created    time.Time `json:"created"`
	CreatedBy  string    `json:"createdBy"`
	Modified   time.Time `json:"modified"`
	ModifiedBy string    `json:"modifiedBy"`
}

func (s stamp) systemData() *api.SystemData {
	return &api.SystemData{
		CreatedBy: s.CreatedBy, CreatedByType: "Key", CreatedAt: api.NewTime(s.Created),
		LastModifiedBy: s.ModifiedBy, LastModifiedByType: "Key", LastModifiedAt: api.NewTime(s.Modified),
	}
}

type tracked struct {
	stamp
	Location string            `json:"location"`
	Tags     map[string]string `json:"tags,omitempty"`
}

type eventRec struct {
	tracked
	Properties api.LiveEventProperties `json:"properties"`
	State      string                  `json:"state"`
	Operation  string                  `json:"operation,omitempty"` // the one under way on the event or one of its outputs
	Made       bool                    `json:"made,omitempty"`      // its creation has ended
}

type outputRec struct {
	stamp
	Properties api.LiveOutputProperties `json:"properties"`
	Event      string                   `json:"event"` // name
	EventID    string                   `json:"eventId"`
	AssetID    string                   `json:"assetId"`
	State      string                   `json:"state"`
}

type endpointRec struct {
	tracked
	Properties api.StreamingEndpointProperties `json:"properties"`
	State      string                          `json:"state"`
	Operation  string                          `json:"operation,omitempty"`
	Made       bool                            `json:"made,omitempty"`
}

type assetRec struct {
	stamp
	Properties   api.AssetProperties `json:"properties"`
	ManifestName string              `json:"manifestName,omitempty"` // of the recording; stays when its output is gone
	Output       string              `json:"output,omitempty"`       // ID of the one output that ever recorded into it
	Ended        time.Time           `json:"ended,omitzero"`         // when the recording did; zero: it has not
	Deleting     bool                `json:"deleting,omitempty"`     // hidden; goes when its files are gone
}

type locatorRec struct {
	stamp
	Properties api.StreamingLocatorProperties `json:"properties"`
	AssetID    string                         `json:"assetId"`
}

type policyRec struct {
	stamp
	Properties api.StreamingPolicyProperties `json:"properties"`
}

type filterRec struct {
	stamp
	Properties api.FilterProperties `json:"properties"`
	Asset      string               `json:"asset,omitempty"` // name; "" for an account filter
}

type metaRec struct {
	Format int `json:"format"`
}

// operationRec is a long-running operation. It outlives what it was about, for clients that come back late.
type operationRec struct {
	ID         string    `json:"id"`
	Verb       string    `json:"verb"`
	Collection string    `json:"collection"`
	Target     []string  `json:"target"`
	Status     string    `json:"status"`
	Code       string    `json:"code,omitempty"`
	Message    string    `json:"message,omitempty"`
	Started    time.Time `json:"started"`
	Ended      time.Time `json:"ended,omitzero"`
}
