package api

import "net/url"

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
