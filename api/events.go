package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Event is something that happened, in the JSON format of CloudEvents 1.0 (docs/events.md).
type Event struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"` // the account
	Type            string          `json:"type"`   // "Microsoft.Media.LiveEventEncoderConnected", "Headwater.AssetCreated"
	Subject         string          `json:"subject"`
	Time            *Time           `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

// EventOptions say which events.
type EventOptions struct {
	Types   []string // one that ends in "*" stands for all that begin like it. None: all
	Subject string   // what the subject begins with
	After   string   // ID of an event: those that came later
	Last    int      // of those before, if After is empty: 0 for a list is 100, for following none
}

func (o *EventOptions) query() string {
	q := url.Values{}
	for name, value := range map[string]string{"types": strings.Join(o.Types, ","), "subject": o.Subject, "after": o.After} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if o.Last > 0 {
		q.Set("last", strconv.Itoa(o.Last))
	}
	return q.Encode()
}

// ListEvents returns events of the log, oldest first.
func (c *Client) ListEvents(ctx context.Context, o EventOptions) ([]Event, error) {
	r, err := c.send(ctx, http.MethodGet, c.o.BaseURL+"/events?"+o.query(), nil)
	if err != nil {
		return nil, err
	}
	var list []Event
	return list, r.decode(&list)
}

// FollowEvents calls each for events as they happen, until ctx ends or each returns an error. When the connection is lost it
// connects again and goes on where it was; it gives up when the server refuses it. The client's HTTP must have no timeout.
func (c *Client) FollowEvents(ctx context.Context, o EventOptions, each func(Event) error) error {
	for connected := false; ; {
		began := time.Now()
		once, err := c.followOnce(ctx, &o, each)
		connected = connected || once
		var stop *stopped
		var refused *Error
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.As(err, &stop) {
			return stop.err
		}
		if !connected || errors.As(err, &refused) && refused.Status != http.StatusServiceUnavailable {
			return err
		}
		select {
		case <-time.After(max(0, time.Second-time.Since(began))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stopped is the error of a caller who wants no more events.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }

// maxEventLine bounds a line of a stream of events.
const maxEventLine = 2 << 20

func (c *Client) followOnce(ctx context.Context, o *EventOptions, each func(Event) error) (connected bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.o.BaseURL+"/events?"+o.query(), nil)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.o.Token)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.o.HTTP.Do(req)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		if err != nil {
			return false, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		return false, parseError(resp.StatusCode, b)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEventLine)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		e := Event{}
		if !ok || json.Unmarshal(data, &e) != nil || e.ID == "" {
			continue
		}
		if err := each(e); err != nil {
			return true, &stopped{err}
		}
		o.After, o.Last = e.ID, 0
	}
	if err := lines.Err(); err != nil {
		return true, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return true, nil
}
