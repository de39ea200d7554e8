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
	"strings"
)

// binding is one method of a Service bound to requests: do reads the request, calls, and writes the answer. The rest is what
// the OpenAPI document says of it.
type binding struct {
	do       func(*call) error
	body     any   // zero value of the resource in the request, nil: none
	answer   any   // zero value of the resource in the answer, nil: none
	statuses []int // of success
	list     bool  // takes the OData parameters
	long     bool  // the answer begins an operation
}

// inside binds a method that also needs the name of the outer resource. The first call is only asked for its types.
func inside(bind func(*call) binding) binding {
	b := bind(&call{params: []string{""}})
	b.do = func(c *call) error { return bind(c).do(c) }
	return b
}

func list[T any](f func(context.Context, ListOptions) (Page[T], error)) binding {
	return binding{list: true, answer: Page[T]{}, statuses: []int{http.StatusOK}, do: func(c *call) error {
		o, err := c.listOptions()
		if err != nil {
			return err
		}
		page, err := f(c.r.Context(), o)
		if err != nil {
			return err
		}
		if page.Value == nil {
			page.Value = []T{} // "value is always an array" (ams-wire §5)
		}
		if page.NextLink != "" {
			page.NextLink = c.nextLink(page.NextLink)
		}
		return c.json(http.StatusOK, page)
	}}
}

func listIn[T any](f func(context.Context, string, ListOptions) (Page[T], error)) binding {
	return inside(func(c *call) binding {
		return list(func(ctx context.Context, o ListOptions) (Page[T], error) { return f(ctx, c.params[0], o) })
	})
}

func get[T any](f func(context.Context, string) (*T, error)) binding {
	return binding{answer: *new(T), statuses: []int{http.StatusOK}, do: func(c *call) error {
		v, err := f(c.r.Context(), c.name())
		if err != nil {
			return err
		}
		return c.json(http.StatusOK, v)
	}}
}

// poll is a get for those who ask again and again: with the entity tag of the last answer they get 304 when nothing changed.
func poll[T any](f func(context.Context, string) (*T, error), tag func(*T) string) binding {
	return binding{answer: *new(T), statuses: []int{http.StatusOK}, do: func(c *call) error {
		v, err := f(c.r.Context(), c.name())
		if err != nil {
			return err
		}
		etag := tag(v)
		c.w.Header().Set("ETag", etag)
		if c.r.Header.Get("If-None-Match") == etag {
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
		return c.json(http.StatusOK, v)
	}}
}

func getIn[T any](f func(context.Context, string, string) (*T, error)) binding {
	return inside(func(c *call) binding {
		return get(func(ctx context.Context, name string) (*T, error) { return f(ctx, c.params[0], name) })
	})
}

// createLong answers 201 with the resource as it is now, never 202 (ams-wire §3).
func createLong[T any](f func(context.Context, string, *T, WriteOptions) (*T, *Operation, error)) binding {
	return binding{body: *new(T), answer: *new(T), long: true, statuses: []int{http.StatusCreated}, do: func(c *call) error {
		v, o, err := decode[T](c)
		if err != nil {
			return err
		}
		made, op, err := f(c.r.Context(), c.name(), v, o)
		if err != nil {
			return err
		}
		return c.respondLong(op, http.StatusCreated, made)
	}}
}

// create answers 201: of locators and policies, which are made once, the clients take nothing else (ams-wire §3.4).
func create[T any](f func(context.Context, string, *T, WriteOptions) (*T, error)) binding {
	b := put(func(ctx context.Context, name string, v *T, o WriteOptions) (*T, bool, error) {
		made, err := f(ctx, name, v, o)
		return made, true, err
	})
	b.statuses = []int{http.StatusCreated}
	return b
}

func put[T any](f func(context.Context, string, *T, WriteOptions) (*T, bool, error)) binding {
	return binding{body: *new(T), answer: *new(T), statuses: []int{http.StatusOK, http.StatusCreated}, do: func(c *call) error {
		v, o, err := decode[T](c)
		if err != nil {
			return err
		}
		made, created, err := f(c.r.Context(), c.name(), v, o)
		if err != nil {
			return err
		}
		if created {
			return c.json(http.StatusCreated, made)
		}
		return c.json(http.StatusOK, made)
	}}
}

// change is a POST with a body that changes a resource at once and answers it.
func change[B, T any](f func(context.Context, string, *B, WriteOptions) (*T, error)) binding {
	return binding{body: *new(B), answer: *new(T), statuses: []int{http.StatusOK}, do: func(c *call) error {
		b, o, err := decode[B](c)
		if err != nil {
			return err
		}
		v, err := f(c.r.Context(), c.name(), b, o)
		if err != nil {
			return err
		}
		return c.json(http.StatusOK, v)
	}}
}

func update[T any](f func(context.Context, string, Patch, WriteOptions) (*T, error)) binding {
	return binding{body: *new(T), answer: *new(T), statuses: []int{http.StatusOK}, do: func(c *call) error {
		v, err := patched(c, f)
		if err != nil {
			return err
		}
		return c.json(http.StatusOK, v)
	}}
}

// updateAccepted is an update of which the clients take nothing but 202 (ams-wire §3.4). The change is made when it is
// answered, so Location is the resource itself, and the first poll ends the operation.
func updateAccepted[T any](f func(context.Context, string, Patch, WriteOptions) (*T, error)) binding {
	return binding{body: *new(T), statuses: []int{http.StatusAccepted}, do: func(c *call) error {
		if _, err := patched(c, f); err != nil {
			return err
		}
		c.w.Header().Set("Location", c.base()+c.r.URL.EscapedPath()+"?api-version="+url.QueryEscape(c.param("api-version")))
		c.w.WriteHeader(http.StatusAccepted)
		return nil
	}}
}

// patched applies the merge patch in the body.
func patched[T any](c *call, f func(context.Context, string, Patch, WriteOptions) (*T, error)) (*T, error) {
	o, err := c.writeOptions()
	if err != nil {
		return nil, err
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	members, err := object(body)
	if err != nil {
		return nil, err
	}
	patch, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return f(c.r.Context(), c.name(), patch, o)
}

// deleteLong answers 202 with the operation; 204 when there was nothing to delete.
func deleteLong(f func(context.Context, string, WriteOptions) (*Operation, error)) binding {
	return binding{long: true, statuses: []int{http.StatusAccepted, http.StatusNoContent}, do: func(c *call) error {
		o, err := c.writeOptions()
		if err != nil {
			return err
		}
		op, err := f(c.r.Context(), c.name(), o)
		if err != nil {
			return err
		}
		if op == nil {
			c.w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return c.respondLong(op, http.StatusAccepted, nil)
	}}
}

func remove(f func(context.Context, string, WriteOptions) (bool, error)) binding {
	return binding{statuses: []int{http.StatusOK, http.StatusNoContent}, do: func(c *call) error {
		o, err := c.writeOptions()
		if err != nil {
			return err
		}
		existed, err := f(c.r.Context(), c.name(), o)
		if err != nil {
			return err
		}
		if existed {
			c.w.WriteHeader(http.StatusOK)
		} else {
			c.w.WriteHeader(http.StatusNoContent)
		}
		return nil
	}}
}

// action is a POST that begins an operation; a body is not insisted on, nor looked at.
func action(f func(context.Context, string) (*Operation, error)) binding {
	return binding{long: true, statuses: []int{http.StatusAccepted}, do: func(c *call) error {
		op, err := f(c.r.Context(), c.name())
		if err != nil {
			return err
		}
		return c.respondLong(op, http.StatusAccepted, nil)
	}}
}

// actionWith is an action with a body, which may be missing.
func actionWith[T any](f func(context.Context, string, T) (*Operation, error)) binding {
	return binding{body: *new(T), long: true, statuses: []int{http.StatusAccepted}, do: func(c *call) error {
		var v T
		body, err := c.body()
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(body)) > 0 {
			if err := unmarshal(body, &v); err != nil {
				return err
			}
		}
		op, err := f(c.r.Context(), c.name(), v)
		if err != nil {
			return err
		}
		return c.respondLong(op, http.StatusAccepted, nil)
	}}
}

// refuse binds an action that always ends in an error.
func refuse(f func(context.Context, string) error) binding {
	return binding{answer: struct{}{}, statuses: []int{http.StatusOK}, do: func(c *call) error {
		if err := f(c.r.Context(), c.name()); err != nil {
			return err
		}
		return c.json(http.StatusOK, struct{}{})
	}}
}

func (c *call) body() ([]byte, error) {
	body, err := io.ReadAll(c.r.Body)
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, &Error{Code: CodeTooLarge, Message: fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit)}
	}
	if err != nil {
		return nil, &Error{Code: CodeInvalidContent, Message: "The body could not be read."}
	}
	return body, nil
}

// decode reads the resource in the body and the conditions of the change. Absent means {}.
func decode[T any](c *call) (*T, WriteOptions, error) {
	o, err := c.writeOptions()
	if err != nil {
		return nil, o, err
	}
	body, err := c.body()
	if err != nil {
		return nil, o, err
	}
	v, err := DecodeResource[T](body)
	return v, o, err
}

// DecodeResource reads a resource as a request carries it: what only the server sets is ignored, unknown members are
// tolerated, wrong types are not (ams-wire §4).
func DecodeResource[T any](body []byte) (*T, error) {
	members, err := object(body)
	if err != nil {
		return nil, err
	}
	body, err = json.Marshal(members)
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, unmarshal(body, v)
}

// readOnly are the members that only the server sets, in the envelope and in properties. Clients send them back when they
// read, modify and write; whatever they hold then is no error.
var readOnly = struct{ envelope, properties []string }{
	[]string{"id", "name", "type", "systemData"},
	[]string{"created", "lastModified", "provisioningState", "resourceState", "hostName", "freeTrialEndTime", "assetId", "storageEncryptionFormat", "mediaServiceId", "policyId"},
}

// object reads a JSON object and drops its read-only members.
func object(body []byte) (map[string]json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(body)) == 0 {
		return members, nil
	}
	if err := unmarshal(body, &members); err != nil {
		return nil, err
	}
	if members == nil {
		return nil, &Error{Code: CodeInvalidContent, Message: "The body has to be a JSON object."}
	}
	drop(members, readOnly.envelope)
	for name, raw := range members {
		if !strings.EqualFold(name, "properties") {
			continue
		}
		var properties map[string]json.RawMessage
		if json.Unmarshal(raw, &properties) != nil || properties == nil {
			continue // the typed decoder says what is wrong with it
		}
		drop(properties, readOnly.properties)
		cleaned, err := json.Marshal(properties)
		if err != nil {
			return nil, err
		}
		members[name] = cleaned
	}
	return members, nil
}

func drop(members map[string]json.RawMessage, names []string) {
	for member := range members {
		for _, n := range names {
			if strings.EqualFold(member, n) {
				delete(members, member)
			}
		}
	}
}

// unmarshal is json.Unmarshal with errors for callers.
func unmarshal(body []byte, v any) error {
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		return &Error{Code: CodeBadRequest, Target: wrong.Field, Message: fmt.Sprintf("The JSON type of '%s' is wrong: it cannot be a %s.", wrong.Field, wrong.Value)}
	}
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		return &Error{Code: CodeInvalidContent, Message: fmt.Sprintf("The body is not JSON: %v at byte %d.", syntax, syntax.Offset)}
	}
	return &Error{Code: CodeBadRequest, Message: "The body is not valid: " + err.Error() + "."}
}
