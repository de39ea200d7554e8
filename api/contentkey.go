package api

import "context"

// ContentKeyPolicy says who gets the keys of encrypted streams. There are none: this server does not encrypt.
type ContentKeyPolicy struct {
	Resource
	Properties ContentKeyPolicyProperties `json:"properties"`
}

// ContentKeyPolicyProperties are looked at only to refuse them.
type ContentKeyPolicyProperties struct {
	Description string `json:"description,omitempty"`
	PolicyID    string `json:"policyId,omitempty"`
}

// ContentKeyPolicyService answers for content key policies, of which there are none and none can be made.
type ContentKeyPolicyService interface {
	ListContentKeyPolicies(ctx context.Context, o ListOptions) (Page[*ContentKeyPolicy], error)
	GetContentKeyPolicy(ctx context.Context, name string) (*ContentKeyPolicy, error)
	PutContentKeyPolicy(ctx context.Context, name string, p *ContentKeyPolicy, o WriteOptions) (p2 *ContentKeyPolicy, created bool, err error)
	UpdateContentKeyPolicy(ctx context.Context, name string, p Patch, o WriteOptions) (*ContentKeyPolicy, error)
	DeleteContentKeyPolicy(ctx context.Context, name string, o WriteOptions) (existed bool, err error)
	ContentKeyPolicySecrets(ctx context.Context, name string) (*ContentKeyPolicyProperties, error)
}
