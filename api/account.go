package api

import (
	"context"
	"net/http"
	"net/url"
)

// AccountID names the account in paths.
type AccountID struct{ Subscription, ResourceGroup, Name string }

// DefaultAccount is the account of a server that was not told another.
func DefaultAccount() AccountID {
	return AccountID{Subscription: "00000000-0000-0000-0000-000000000000", ResourceGroup: "headwater", Name: "headwater"}
}

// ResourceID returns the ID of a resource of the account, given by collections and names in turn; it is not escaped.
func (a AccountID) ResourceID(segments ...string) string {
	id := "/subscriptions/" + a.Subscription + "/resourceGroups/" + a.ResourceGroup + "/providers/Microsoft.Media/mediaservices/" + a.Name
	for _, s := range segments {
		id += "/" + s
	}
	return id
}

// accountPath is the account's path in URLs.
func (a AccountID) accountPath() string {
	return AccountID{url.PathEscape(a.Subscription), url.PathEscape(a.ResourceGroup), url.PathEscape(a.Name)}.ResourceID()
}

// Account is a Media Services account: here the whole server.
type Account struct {
	Tracked
	Properties AccountProperties `json:"properties"`
}

// AccountProperties are the properties of an account. Only its tags can be changed; of the rest a request may repeat what is.
type AccountProperties struct {
	MediaServiceID        string             `json:"mediaServiceId,omitempty"`
	StorageAccounts       []StorageAccount   `json:"storageAccounts,omitempty"`
	StorageAuthentication string             `json:"storageAuthentication,omitempty"`
	Encryption            *AccountEncryption `json:"encryption,omitempty"`
	KeyDelivery           *KeyDelivery       `json:"keyDelivery,omitempty"`
	ProvisioningState     string             `json:"provisioningState,omitempty"`
	PublicNetworkAccess   string             `json:"publicNetworkAccess,omitempty"`
	MinimumTLSVersion     string             `json:"minimumTlsVersion,omitempty"`
}

// StorageAccount names where assets are kept.
type StorageAccount struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type"`
}

// AccountEncryption says how the account is encrypted at rest.
type AccountEncryption struct {
	Type string `json:"type"`
}

// KeyDelivery restricts who gets content keys.
type KeyDelivery struct {
	AccessControl *KeyDeliveryAccess `json:"accessControl,omitempty"`
}

// KeyDeliveryAccess is the allow list of key delivery.
type KeyDeliveryAccess struct {
	DefaultAction string   `json:"defaultAction,omitempty"`
	IPAllowList   []string `json:"ipAllowList,omitempty"`
}

// AccountService answers for the one account.
type AccountService interface {
	GetAccount(ctx context.Context) (*Account, error)
	PutAccount(ctx context.Context, a *Account, o WriteOptions) (*Account, error)
	UpdateAccount(ctx context.Context, p Patch, o WriteOptions) (*Account, error)
	// RefuseAccountVerb says why a verb that AMS has for accounts is not there: "delete", "syncStorageKeys", "listEdgePolicies".
	RefuseAccountVerb(ctx context.Context, verb string) error
}

// GetAccount returns the account.
func (c *Client) GetAccount(ctx context.Context) (*Account, error) {
	return get1[Account](ctx, c, http.MethodGet, nil)
}

// UpdateAccount changes the account by a merge patch.
func (c *Client) UpdateAccount(ctx context.Context, patch any) (*Account, error) {
	r, err := c.send(ctx, http.MethodPatch, c.url(nil), patch)
	if err != nil {
		return nil, err
	}
	// "PATCH 202 (LRO)" (ams-wire §3.4): the change is made, and Location is the account.
	if r, err = c.send(ctx, http.MethodGet, r.header.Get("Location"), nil); err != nil {
		return nil, err
	}
	v := new(Account)
	return v, r.decode(v)
}
