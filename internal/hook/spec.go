package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"headwater.stream/internal/journal"
)

// Spec is one webhook.
type Spec struct {
	ID     string // made with the hook and never used again
	Name   string // for logs
	URL    string
	Secret string // of the signature
	Schema string // CloudEvents or EventGrid
	Filter journal.Filter
	Since  time.Time // events from then on
}

// Schemas.
const (
	CloudEvents = "cloudevents" // structured mode, one event a request
	EventGrid   = "eventgrid"   // of Azure Event Grid, with its validation handshake
)

func (s *Spec) equal(o *Spec) bool {
	return s.ID == o.ID && s.URL == o.URL && s.Secret == o.Secret && s.Schema == o.Schema && s.Filter.Subject == o.Filter.Subject && slices.Equal(s.Filter.Types, o.Filter.Types)
}

// SignatureHeader carries t=UNIX,v1=HEX: HMAC-SHA-256, keyed by the secret, of the time in decimal, a dot and the body.
const SignatureHeader = "Headwater-Signature"

// Sign returns the value of SignatureHeader for a body that is sent at a time.
func Sign(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return fmt.Sprintf("t=%s,v1=%s", t, hex.EncodeToString(mac.Sum(nil)))
}

// Delivery is an attempt to deliver an event.
type Delivery struct {
	Time    time.Time
	ID      string // of the event; "" for a handshake
	Type    string
	Subject string
	Attempt int // since this process began to try; 1 is the first
	Status  int // of the answer; 0: none
	Error   string
	Took    time.Duration
	Result  Result
}

// Result is what came of an attempt.
type Result string

// Results.
const (
	Delivered Result = "Delivered"
	Retrying  Result = "Retrying"
	Refused   Result = "Refused" // the receiver does not want it: 400 or 413
	Expired   Result = "Expired" // given up
	Lost      Result = "Lost"    // the journal no longer has events that were to be delivered
)

// Status is how a hook does.
type Status struct {
	Validated bool      // the handshake of Event Grid has succeeded, or there is none
	Pending   int       // events that wait, of those that have been looked at
	Oldest    time.Time // of these; zero: none
	Failing   bool      // the last attempt did not succeed
	Counts    map[Result]uint64
	Last      *Delivery
}
