package api

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Verbs that make an asset with a recording in it. They are not in AMS.
const (
	verbImport = "import"
	verbClip   = "clip"
)

// Modes of an AssetImport.
const (
	ImportLink = "link" // hard links where the file system has them, else copies; the default
	ImportCopy = "copy"
	ImportMove = "move" // as link, and the source is removed
)

// AssetImport says which recording to adopt.
type AssetImport struct {
	Directory   string `json:"directory"` // absolute path on the server's machine
	Mode        string `json:"mode,omitempty"`
	Description string `json:"description,omitempty"`
	AlternateID string `json:"alternateId,omitempty"`
	Expires     *Time  `json:"expires,omitempty"`
}

// AssetClip says which part of which asset to make an asset of. Start and End are what ParseMoment reads; absent: the
// beginning, the end.
type AssetClip struct {
	AssetName   string `json:"assetName"`
	Start       string `json:"start,omitempty"`
	End         string `json:"end,omitempty"`
	Description string `json:"description,omitempty"`
	AlternateID string `json:"alternateId,omitempty"`
	Expires     *Time  `json:"expires,omitempty"`
}

// RecordingService makes assets of recordings. Both make the asset called name; its files share bytes with their source where
// the file system can do that.
type RecordingService interface {
	// ImportAsset adopts an asset directory, perhaps of another server. One that has not ended is ended.
	ImportAsset(ctx context.Context, name string, v *AssetImport) (*Asset, error)
	// ClipAsset takes a part of a recording, which may go on meanwhile, cut to segment borders.
	ClipAsset(ctx context.Context, name string, v *AssetClip) (*Asset, error)
}

func (t *routeTable) recordings(s RecordingService) {
	const asset = "/assets/{asset}"
	t.in("POST", asset+"/"+verbImport, "Assets_Import", RoleAdmin, derive(s.ImportAsset)) // it reads any directory
	t.in("POST", asset+"/"+verbClip, "Assets_Clip", RolePublisher, derive(s.ClipAsset))
}

// derive binds a POST that makes a resource of something else.
func derive[B, T any](f func(context.Context, string, *B) (*T, error)) binding {
	return binding{body: *new(B), answer: *new(T), statuses: []int{http.StatusCreated}, do: func(c *call) error {
		v, _, err := decode[B](c)
		if err != nil {
			return err
		}
		made, err := f(c.r.Context(), c.name(), v)
		if err != nil {
			return err
		}
		return c.json(http.StatusCreated, made)
	}}
}

// ImportAsset makes an asset of a directory on the server's machine.
func (c *Client) ImportAsset(ctx context.Context, name string, v *AssetImport) (*Asset, error) {
	return derived[Asset](ctx, c, v, Assets, name, verbImport)
}

// ClipAsset makes an asset of a part of another.
func (c *Client) ClipAsset(ctx context.Context, name string, v *AssetClip) (*Asset, error) {
	return derived[Asset](ctx, c, v, Assets, name, verbClip)
}

func derived[T any](ctx context.Context, c *Client, body any, segments ...string) (*T, error) {
	r, err := c.send(ctx, http.MethodPost, c.url(nil, segments...), body)
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, r.decode(v)
}

// ParseMoment reads a moment of a presentation: a date (RFC 3339), or media time in seconds ("90.5") or as a duration ("1m30s",
// "PT90S"). Of the results one is set.
func ParseMoment(text string) (utc time.Time, media time.Duration, err error) {
	if utc, err := time.Parse(time.RFC3339, text); err == nil {
		return utc, 0, nil
	}
	media, err = time.ParseDuration(text)
	if err != nil {
		media, err = time.ParseDuration(text + "s")
	}
	if err != nil {
		media, err = ParseDuration(text)
	}
	if err != nil || media < 0 {
		return time.Time{}, 0, fmt.Errorf("%q is neither a date like 2026-11-25T12:00:00Z nor media time like 90.5, 1m30s or PT90S", text)
	}
	return time.Time{}, media, nil
}
