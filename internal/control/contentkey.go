package control

import (
	"context"

	"headwater.stream/api"
)

// ListContentKeyPolicies implements api.Service.
func (s *Service) ListContentKeyPolicies(context.Context, api.ListOptions) (api.Page[*api.ContentKeyPolicy], error) {
	return api.Page[*api.ContentKeyPolicy]{}, nil
}

// GetContentKeyPolicy implements api.Service.
func (s *Service) GetContentKeyPolicy(_ context.Context, name string) (*api.ContentKeyPolicy, error) {
	return nil, api.NotFound(name)
}

// PutContentKeyPolicy implements api.Service.
func (s *Service) PutContentKeyPolicy(_ context.Context, name string, _ *api.ContentKeyPolicy, _ api.WriteOptions) (*api.ContentKeyPolicy, bool, error) {
	if err := checkName(name); err != nil {
		return nil, false, err
	}
	return nil, false, unsupported("properties", "This server does not encrypt and delivers no keys, so it has no content key policies.", "Protect streams with TLS and access lists; use the policy "+previewPolicy+".")
}

// UpdateContentKeyPolicy implements api.Service.
func (s *Service) UpdateContentKeyPolicy(_ context.Context, name string, _ api.Patch, _ api.WriteOptions) (*api.ContentKeyPolicy, error) {
	return nil, api.NotFound(name)
}

// DeleteContentKeyPolicy implements api.Service.
func (s *Service) DeleteContentKeyPolicy(context.Context, string, api.WriteOptions) (bool, error) {
	return false, nil
}

// ContentKeyPolicySecrets implements api.Service.
func (s *Service) ContentKeyPolicySecrets(_ context.Context, name string) (*api.ContentKeyPolicyProperties, error) {
	return nil, api.NotFound(name)
}
