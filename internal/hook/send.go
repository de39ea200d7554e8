package hook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"headwater.stream/internal/journal"
)

// sender makes requests for one hook.
type sender struct {
	spec   *Spec
	source string
	client *http.Client
	now    func() time.Time
}

// send makes one attempt to deliver an event. after is how long the receiver asked to be left alone.
func (s *sender) send(ctx context.Context, e *journal.Event) (d Delivery, after time.Duration) {
	kind := "Notification"
	body, err := e.CloudEvent(s.source)
	content := "application/cloudevents+json; charset=utf-8"
	if s.spec.Schema == EventGrid {
		body, err = e.EventGrid(s.source)
		content = "application/json; charset=utf-8"
	}
	d = Delivery{Time: s.now(), ID: e.ID, Type: e.Type, Subject: e.Subject}
	if err != nil {
		d.Result, d.Error = Refused, "it cannot be written as JSON"
		return d, 0
	}
	_, after = s.post(ctx, &d, kind, content, body)
	return d, after
}

// post makes a request and judges the answer, whose body it returns.
func (s *sender) post(ctx context.Context, d *Delivery, kind, content string, body []byte) (reply []byte, after time.Duration) {
	began := time.Now()
	defer func() { d.Took = time.Since(began) }()
	d.Result = Retrying
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.spec.URL, bytes.NewReader(body))
	if err != nil {
		d.Error = "the URL cannot be used"
		return nil, 0
	}
	req.Header.Set("Content-Type", content)
	req.Header.Set("User-Agent", "Headwater-Webhook/1")
	req.Header.Set(SignatureHeader, Sign(s.spec.Secret, s.now(), body))
	if s.spec.Schema == EventGrid {
		req.Header.Set("aeg-event-type", kind)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		// Without the URL, in whose query there may be a secret.
		if u := new(url.Error); errors.As(err, &u) {
			err = u.Err
		}
		d.Error = err.Error()
		return nil, 0
	}
	defer resp.Body.Close()
	d.Status = resp.StatusCode
	reply, err = io.ReadAll(io.LimitReader(resp.Body, maxReply))
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		if d.Result = Delivered; err != nil {
			d.Error = "the answer broke off"
		}
	case resp.StatusCode == http.StatusBadRequest, resp.StatusCode == http.StatusRequestEntityTooLarge:
		d.Result = Refused // as Event Grid does
	case resp.StatusCode < 400:
		d.Error = "redirects are not followed"
	}
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
		after = time.Duration(min(n, int(maxDelay/time.Second))) * time.Second
	}
	return reply, after
}

// validate does the handshake of Event Grid: the receiver repeats a code.
func (s *sender) validate(ctx context.Context) Delivery {
	var raw [16]byte
	rand.Read(raw[:])
	code := hex.EncodeToString(raw[:])
	now := s.now()
	d := Delivery{Time: now, Type: "Microsoft.EventGrid.SubscriptionValidationEvent"}
	body, err := json.Marshal([]map[string]any{{
		"id": code, "topic": s.source, "subject": "", "eventType": d.Type, "eventTime": now.UTC(), "dataVersion": "2", "metadataVersion": "1",
		"data": map[string]string{"validationCode": code},
	}})
	if err != nil {
		d.Result, d.Error = Retrying, "it cannot be written as JSON"
		return d
	}
	reply, _ := s.post(ctx, &d, "SubscriptionValidation", "application/json; charset=utf-8", body)
	var answer struct{ ValidationResponse string }
	if d.Result == Delivered && (json.Unmarshal(reply, &answer) != nil || answer.ValidationResponse != code) {
		d.Result, d.Error = Retrying, "the answer is not the validationResponse of Event Grid's handshake"
	}
	if d.Result == Refused {
		d.Result = Retrying
	}
	return d
}

// test makes an event that says what it is, and that nobody retries.
func (s *sender) test(ctx context.Context) Delivery {
	var raw [8]byte
	rand.Read(raw[:])
	e := journal.Event{ID: "test-" + hex.EncodeToString(raw[:]), Time: s.now(), Type: "Headwater.WebhookTest", Subject: "webhook/" + s.spec.Name, Data: json.RawMessage(fmt.Sprintf(`{"name":%q}`, s.spec.Name))}
	d, _ := s.send(ctx, &e)
	if d.Attempt = 1; d.Result == Retrying {
		d.Result = Refused
	}
	return d
}
