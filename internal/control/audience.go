package control

import (
	"context"

	"headwater.stream/api"
)

// Audiences knows who watches what locators publish.
type Audiences interface {
	// Audience returns what is known of a locator, by its streamingLocatorId; nil when it does not serve.
	Audience(locatorID string) *api.LocatorAudience
}

// StreamingLocatorAudience implements api.Service.
func (s *Service) StreamingLocatorAudience(_ context.Context, name string) (*api.LocatorAudience, error) {
	r, err := lookup(s, &s.locators, name)
	if err != nil {
		return nil, err
	}
	if s.o.Audiences != nil {
		if a := s.o.Audiences.Audience(r.rec.Properties.StreamingLocatorID); a != nil {
			return a, nil
		}
	}
	return &api.LocatorAudience{Buffer: "PT0S", Latency: "PT0S"}, nil
}
