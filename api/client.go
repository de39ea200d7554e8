package api

import (
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

// ClientOptions say whom a Client talks to.
type ClientOptions struct {
	BaseURL string       // of the control API: "http://127.0.0.1:8081"
	Token   string       // bearer token
	Account AccountID    // zero: DefaultAccount
	HTTP    *http.Client // nil: one with a timeout of 30 s
}

// Client calls a control API. It waits for the end of long-running operations, so that a method's return means "done".
type Client struct {
	o ClientOptions
}

// version is the api-version the Client speaks: the newest that has getStatus.
const version = "2022-11-01"

// maxAnswer bounds what a Client reads of one answer.
const maxAnswer = 64 << 20

// NewClient returns a Client.
func NewClient(o ClientOptions) *Client {
	if o.Account == (AccountID{}) {
		o.Account = DefaultAccount()
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	o.BaseURL = strings.TrimSuffix(o.BaseURL, "/")
	return &Client{o: o}
}

// ErrUnreachable is wrapped by errors of requests that got no answer.
var ErrUnreachable = errors.New("the control API cannot be reached")

// url returns the URL of a resource below the account, of names and collections in turn, not yet escaped.
func (c *Client) url(query url.Values, segments ...string) string {
	var b strings.Builder
	b.WriteString(c.o.BaseURL + c.o.Account.accountPath())
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	if query == nil {
		query = url.Values{}
	}
	query.Set("api-version", version)
	return b.String() + "?" + query.Encode()
}

// reply is an answer that was not an error.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (c *Client) send(ctx context.Context, method, target string, body any) (*reply, error) {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.o.Token)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.o.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	limit := int64(maxAnswer)
	if resp.StatusCode >= 300 {
		limit = maxErrorBody
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if resp.StatusCode >= 300 {
		return nil, parseError(resp.StatusCode, b)
	}
	return &reply{status: resp.StatusCode, header: resp.Header, body: b}, nil
}

// Backup writes a backup of the server's state, a tar archive that is as secret as its token, to w. The client's HTTP should have
// no timeout.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.o.BaseURL+"/backup", nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.o.Token)
	resp, err := c.o.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return parseError(resp.StatusCode, b)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("reading the backup: %w", err)
	}
	return nil
}

func (r *reply) decode(v any) error {
	if err := json.Unmarshal(r.body, v); err != nil {
		return fmt.Errorf("%s: %w", unreadable, err)
	}
	return nil
}

// wait follows a long-running operation to its end.
func (c *Client) wait(ctx context.Context, r *reply) error {
	target := r.header.Get("Azure-AsyncOperation")
	if target == "" {
		return nil
	}
	for delay := 10 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		r, err := c.send(ctx, http.MethodGet, target, nil)
		if err != nil {
			return err
		}
		var op Operation
		if err := r.decode(&op); err != nil {
			return err
		}
		switch {
		case strings.EqualFold(op.Status, Failed):
			return &Error{Code: Code(op.Error.Code), Message: op.Error.Message, Target: op.Error.Target, Status: http.StatusConflict}
		case op.Done():
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
		}
	}
}

func get1[T any](ctx context.Context, c *Client, method string, query url.Values, segments ...string) (*T, error) {
	r, err := c.send(ctx, method, c.url(query, segments...), nil)
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, r.decode(v)
}

// write sends a resource, waits for the operation if there is one, and returns the resource as it is then.
func write[T any](ctx context.Context, c *Client, method string, body any, o WriteOptions, segments ...string) (*T, error) {
	q := url.Values{}
	if o.AutoStart {
		q.Set("autoStart", "true")
	}
	r, err := c.send(ctx, method, c.url(q, segments...), body)
	if err != nil {
		return nil, err
	}
	if r.header.Get("Azure-AsyncOperation") != "" {
		if err := c.wait(ctx, r); err != nil {
			return nil, err
		}
		return get1[T](ctx, c, http.MethodGet, nil, segments...)
	}
	v := new(T)
	return v, r.decode(v)
}

// run sends an action or a deletion and waits for its end. It reports whether there was something to delete.
func (c *Client) run(ctx context.Context, method string, body any, segments ...string) (bool, error) {
	r, err := c.send(ctx, method, c.url(nil, segments...), body)
	if err != nil {
		return false, err
	}
	return r.status != http.StatusNoContent, c.wait(ctx, r)
}

// all follows the pages of a list.
func all[T any](ctx context.Context, c *Client, o ListOptions, segments ...string) ([]T, error) {
	q := url.Values{}
	for name, v := range map[string]string{"$filter": o.Filter, "$orderby": o.OrderBy} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if o.Top != nil {
		q.Set("$top", strconv.Itoa(*o.Top))
	}
	items := []T{}
	for next := c.url(q, segments...); next != ""; {
		r, err := c.send(ctx, http.MethodGet, next, nil)
		if err != nil {
			return nil, err
		}
		var page Page[T]
		if err := r.decode(&page); err != nil {
			return nil, err
		}
		items = append(items, page.Value...)
		next = page.NextLink
	}
	return items, nil
}
