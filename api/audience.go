package api

import (
	"context"
	"net/http"
)

// LocatorAudience is the answer to getAudience: what is known of who watches, in the last half to whole minute. What players say
// (CMCD, CTA-5004) is 0 where none says it.
type LocatorAudience struct {
	Viewers    int32  `json:"viewers"`    // an estimate: by the session of CMCD, else by address and player
	Requests   Int64  `json:"requests"`   // for segments and parts
	Reports    Int64  `json:"reports"`    // of these with CMCD
	Stalls     Int64  `json:"stalls"`     // of these that say that the buffer ran empty
	Bitrate    Int64  `json:"bitrate"`    // that is played, bit/s, on average
	Throughput Int64  `json:"throughput"` // that players measure, bit/s, on average
	Buffer     string `json:"buffer"`     // on average
	Latency    string `json:"latency"`    // behind live, on average
}

// StreamingLocatorAudience returns what is known of who watches what a locator publishes.
func (c *Client) StreamingLocatorAudience(ctx context.Context, name string) (*LocatorAudience, error) {
	return get1[LocatorAudience](ctx, c, http.MethodPost, nil, StreamingLocators, name, "getAudience")
}
