package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// route is one operation: a method and a path below the account ("", or relative segments; {…} stands for a name).
type route struct {
	method string
	path   string
	id     string // operation ID in the OpenAPI document
	role   Role   // needed to call it, "" for reading
	binding

	segments []string
}

// scope says below what a route's path stands.
const (
	inAccount      = "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Media/mediaservices/{account}"
	inGroup        = "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Media/mediaservices"
	inSubscription = "/subscriptions/{sub}/providers/Microsoft.Media/mediaservices"
)

// routes lists every operation.
func routes(s Service) []route {
	t := &routeTable{}
	t.account(s)
	t.liveEvents(s)
	t.liveOutputs(s)
	t.streamingEndpoints(s)
	t.assets(s)
	t.recordings(s)
	t.tracks(s)
	t.filters(s, "/assets/{asset}/assetFilters", "AssetFilters", func(c *call) string { return c.params[0] })
	t.filters(s, "/accountFilters", "AccountFilters", func(*call) string { return "" })
	t.publishing(s)
	t.contentKeyPolicies(s)
	t.accessTokens(s)
	t.webhooks(s)
	t.doctor(s)
	return t.all
}

// routeTable collects routes. Paths are whole patterns; their literal segments are matched without regard to case.
type routeTable struct{ all []route }

func (t *routeTable) add(method, path, id string, role Role, b binding) {
	t.all = append(t.all, route{method: method, path: path, id: id, role: role, binding: b, segments: strings.Split(path, "/")[1:]})
}

// in adds a route below the account.
func (t *routeTable) in(method, path, id string, role Role, b binding) {
	t.add(method, inAccount+path, id, role, b)
}

func (t *routeTable) account(s AccountService) {
	account := func(ctx context.Context, _ string) (*Account, error) { return s.GetAccount(ctx) }
	accounts := func(ctx context.Context, _ ListOptions) (Page[*Account], error) {
		a, err := s.GetAccount(ctx)
		return Page[*Account]{Value: []*Account{a}}, err
	}
	t.add("GET", inSubscription, "Mediaservices_ListBySubscription", "", list(accounts))
	t.add("GET", inGroup, "Mediaservices_List", "", list(accounts))
	t.in("GET", "", "Mediaservices_Get", "", get(account))
	t.in("PUT", "", "Mediaservices_CreateOrUpdate", RoleAdmin, put(func(ctx context.Context, _ string, a *Account, o WriteOptions) (*Account, bool, error) {
		a, err := s.PutAccount(ctx, a, o)
		return a, false, err
	}))
	t.in("PATCH", "", "Mediaservices_Update", RoleAdmin, updateAccepted(func(ctx context.Context, _ string, p Patch, o WriteOptions) (*Account, error) {
		return s.UpdateAccount(ctx, p, o)
	}))
	refused := func(verb string) binding {
		return refuse(func(ctx context.Context, _ string) error { return s.RefuseAccountVerb(ctx, verb) })
	}
	t.in("DELETE", "", "Mediaservices_Delete", RoleAdmin, refused("delete"))
	t.in("POST", "/syncStorageKeys", "Mediaservices_SyncStorageKeys", RoleAdmin, refused("syncStorageKeys"))
	t.in("POST", "/listEdgePolicies", "Mediaservices_ListEdgePolicies", "", refused("listEdgePolicies"))
}

func (t *routeTable) liveEvents(s Service) {
	const event = "/liveEvents/{liveEvent}"
	t.in("GET", "/liveEvents", "LiveEvents_List", "", list(s.ListLiveEvents))
	t.in("GET", event, "LiveEvents_Get", "", get(s.GetLiveEvent))
	t.in("PUT", event, "LiveEvents_Create", RoleOperator, createLong(s.CreateLiveEvent))
	t.in("PATCH", event, "LiveEvents_Update", RoleOperator, update(s.UpdateLiveEvent))
	t.in("DELETE", event, "LiveEvents_Delete", RoleOperator, deleteLong(s.DeleteLiveEvent))
	t.in("POST", event+"/allocate", "LiveEvents_Allocate", RoleOperator, action(s.AllocateLiveEvent))
	t.in("POST", event+"/start", "LiveEvents_Start", RoleOperator, action(s.StartLiveEvent))
	t.in("POST", event+"/stop", "LiveEvents_Stop", RoleOperator, actionWith(s.StopLiveEvent))
	t.in("POST", event+"/reset", "LiveEvents_Reset", RoleOperator, action(s.ResetLiveEvent))
	t.in("POST", event+"/getStatus", "LiveEvents_ListGetStatus", "", get(s.LiveEventStatus))
	t.in("POST", event+"/getStreamEvents", "LiveEvents_ListGetStreamEvents", "", poll(s.LiveEventStreamEvents, func(v *StreamEvents) string { return v.ETag }))
	t.in("POST", event+"/getTrackIngestHeartbeats", "LiveEvents_ListGetTrackIngestHeartbeats", "", poll(s.LiveEventHeartbeats, func(v *TrackHeartbeats) string { return v.ETag }))
	t.in("GET", "/liveEventOperations/{operation}", "LiveEvents_AsyncOperation", "", status(s, LiveEvents))
	t.in("GET", event+"/operationLocations/{operation}", "LiveEvents_OperationLocation", "", result(s, LiveEvents))
}

func (t *routeTable) liveOutputs(s Service) {
	const event, output = "/liveEvents/{liveEvent}", "/liveEvents/{liveEvent}/liveOutputs/{liveOutput}"
	t.in("GET", event+"/liveOutputs", "LiveOutputs_List", "", listIn(s.ListLiveOutputs))
	t.in("GET", output, "LiveOutputs_Get", "", getIn(s.GetLiveOutput))
	t.in("PUT", output, "LiveOutputs_Create", RoleOperator, inside(func(c *call) binding {
		return createLong(func(ctx context.Context, name string, v *LiveOutput, o WriteOptions) (*LiveOutput, *Operation, error) {
			return s.CreateLiveOutput(ctx, c.params[0], name, v, o)
		})
	}))
	t.in("DELETE", output, "LiveOutputs_Delete", RoleOperator, inside(func(c *call) binding {
		return deleteLong(func(ctx context.Context, name string, o WriteOptions) (*Operation, error) {
			return s.DeleteLiveOutput(ctx, c.params[0], name, o)
		})
	}))
	t.in("GET", "/liveOutputOperations/{operation}", "LiveOutputs_AsyncOperation", "", status(s, LiveOutputs))
	t.in("GET", output+"/operationLocations/{operation}", "LiveOutputs_OperationLocation", "", result(s, LiveOutputs))
}

func (t *routeTable) streamingEndpoints(s Service) {
	const endpoint = "/streamingEndpoints/{streamingEndpoint}"
	t.in("GET", "/streamingEndpoints", "StreamingEndpoints_List", "", list(s.ListStreamingEndpoints))
	t.in("GET", endpoint, "StreamingEndpoints_Get", "", get(s.GetStreamingEndpoint))
	t.in("PUT", endpoint, "StreamingEndpoints_Create", RolePublisher, createLong(s.CreateStreamingEndpoint))
	t.in("PATCH", endpoint, "StreamingEndpoints_Update", RolePublisher, update(s.UpdateStreamingEndpoint))
	t.in("DELETE", endpoint, "StreamingEndpoints_Delete", RolePublisher, deleteLong(s.DeleteStreamingEndpoint))
	t.in("POST", endpoint+"/start", "StreamingEndpoints_Start", RolePublisher, action(s.StartStreamingEndpoint))
	t.in("POST", endpoint+"/stop", "StreamingEndpoints_Stop", RolePublisher, action(s.StopStreamingEndpoint))
	t.in("POST", endpoint+"/scale", "StreamingEndpoints_Scale", RolePublisher, actionWith(s.ScaleStreamingEndpoint))
	t.in("GET", endpoint+"/skus", "StreamingEndpoints_Skus", "", get(s.StreamingEndpointSKUs))
	t.in("GET", "/streamingEndpointOperations/{operation}", "StreamingEndpoints_AsyncOperation", "", status(s, StreamingEndpoints))
	t.in("GET", endpoint+"/operationLocations/{operation}", "StreamingEndpoints_OperationLocation", "", result(s, StreamingEndpoints))
}

func (t *routeTable) assets(s AssetService) {
	const asset = "/assets/{asset}"
	t.in("GET", "/assets", "Assets_List", "", list(s.ListAssets))
	t.in("GET", asset, "Assets_Get", "", get(s.GetAsset))
	t.in("PUT", asset, "Assets_CreateOrUpdate", RolePublisher, put(s.PutAsset))
	t.in("PATCH", asset, "Assets_Update", RolePublisher, update(s.UpdateAsset))
	t.in("DELETE", asset, "Assets_Delete", RolePublisher, remove(s.DeleteAsset))
	t.in("POST", asset+"/listStreamingLocators", "Assets_ListStreamingLocators", "", get(s.AssetStreamingLocators))
	t.in("POST", asset+"/listContainerSas", "Assets_ListContainerSas", "", refuse(s.AssetContainerSAS))
	t.in("POST", asset+"/getEncryptionKey", "Assets_GetEncryptionKey", "", refuse(s.AssetEncryptionKey))
}

func (t *routeTable) tracks(s TrackService) {
	const all, one = "/assets/{asset}/tracks", "/assets/{asset}/tracks/{track}"
	t.in("GET", all, "Tracks_List", "", listIn(s.ListTracks))
	t.in("GET", one, "Tracks_Get", "", getIn(s.GetTrack))
	t.in("PUT", one, "Tracks_CreateOrUpdate", RolePublisher, inside(func(c *call) binding {
		return put(func(ctx context.Context, name string, v *AssetTrack, o WriteOptions) (*AssetTrack, bool, error) {
			return s.PutTrack(ctx, c.params[0], name, v, o)
		})
	}))
	t.in("PATCH", one, "Tracks_Update", RolePublisher, inside(func(c *call) binding {
		return update(func(ctx context.Context, name string, p Patch, o WriteOptions) (*AssetTrack, error) {
			return s.UpdateTrack(ctx, c.params[0], name, p, o)
		})
	}))
	t.in("DELETE", one, "Tracks_Delete", RolePublisher, inside(func(c *call) binding {
		return remove(func(ctx context.Context, name string, o WriteOptions) (bool, error) {
			return s.DeleteTrack(ctx, c.params[0], name, o)
		})
	}))
	t.in("POST", one+"/updateTrackData", "Tracks_UpdateTrackData", RolePublisher, inside(func(c *call) binding {
		return refuse(func(ctx context.Context, name string) error { return s.UpdateTrackData(ctx, c.params[0], name) })
	}))
}

func (t *routeTable) contentKeyPolicies(s ContentKeyPolicyService) {
	const policy = "/contentKeyPolicies/{contentKeyPolicy}"
	t.in("GET", "/contentKeyPolicies", "ContentKeyPolicies_List", "", list(s.ListContentKeyPolicies))
	t.in("GET", policy, "ContentKeyPolicies_Get", "", get(s.GetContentKeyPolicy))
	t.in("PUT", policy, "ContentKeyPolicies_CreateOrUpdate", RolePublisher, put(s.PutContentKeyPolicy))
	t.in("PATCH", policy, "ContentKeyPolicies_Update", RolePublisher, update(s.UpdateContentKeyPolicy))
	t.in("DELETE", policy, "ContentKeyPolicies_Delete", RolePublisher, remove(s.DeleteContentKeyPolicy))
	t.in("POST", policy+"/getPolicyPropertiesWithSecrets", "ContentKeyPolicies_GetPolicyPropertiesWithSecrets", RolePublisher, get(s.ContentKeyPolicySecrets))
}

// filters adds the operations on asset or account filters.
func (t *routeTable) filters(s FilterService, all, id string, owner func(*call) string) {
	one := all + "/{filter}"
	t.in("GET", all, id+"_List", "", inside(func(c *call) binding {
		return list(func(ctx context.Context, o ListOptions) (Page[*Filter], error) {
			return s.ListFilters(ctx, owner(c), o)
		})
	}))
	t.in("GET", one, id+"_Get", "", inside(func(c *call) binding {
		return get(func(ctx context.Context, name string) (*Filter, error) { return s.GetFilter(ctx, owner(c), name) })
	}))
	t.in("PUT", one, id+"_CreateOrUpdate", RolePublisher, inside(func(c *call) binding {
		return put(func(ctx context.Context, name string, f *Filter, o WriteOptions) (*Filter, bool, error) {
			return s.PutFilter(ctx, owner(c), name, f, o)
		})
	}))
	t.in("PATCH", one, id+"_Update", RolePublisher, inside(func(c *call) binding {
		return update(func(ctx context.Context, name string, p Patch, o WriteOptions) (*Filter, error) {
			return s.UpdateFilter(ctx, owner(c), name, p, o)
		})
	}))
	t.in("DELETE", one, id+"_Delete", RolePublisher, inside(func(c *call) binding {
		return remove(func(ctx context.Context, name string, o WriteOptions) (bool, error) {
			return s.DeleteFilter(ctx, owner(c), name, o)
		})
	}))
}

// publishing adds locators and policies.
func (t *routeTable) publishing(s Service) {
	const locator, policy = "/streamingLocators/{streamingLocator}", "/streamingPolicies/{streamingPolicy}"
	t.in("GET", "/streamingLocators", "StreamingLocators_List", "", list(s.ListStreamingLocators))
	t.in("GET", locator, "StreamingLocators_Get", "", get(s.GetStreamingLocator))
	t.in("PUT", locator, "StreamingLocators_Create", RolePublisher, create(s.CreateStreamingLocator))
	t.in("DELETE", locator, "StreamingLocators_Delete", RolePublisher, remove(s.DeleteStreamingLocator))
	t.in("POST", locator+"/setAccess", "StreamingLocators_SetAccess", RolePublisher, change(s.SetStreamingLocatorAccess))
	t.in("POST", locator+"/getAudience", "StreamingLocators_GetAudience", "", get(s.StreamingLocatorAudience))
	t.in("POST", locator+"/listPaths", "StreamingLocators_ListPaths", "", get(s.StreamingLocatorPaths))
	t.in("POST", locator+"/listContentKeys", "StreamingLocators_ListContentKeys", RolePublisher, get(s.StreamingLocatorKeys))

	t.in("GET", "/streamingPolicies", "StreamingPolicies_List", "", list(s.ListStreamingPolicies))
	t.in("GET", policy, "StreamingPolicies_Get", "", get(s.GetStreamingPolicy))
	t.in("PUT", policy, "StreamingPolicies_Create", RolePublisher, create(s.CreateStreamingPolicy))
	t.in("DELETE", policy, "StreamingPolicies_Delete", RolePublisher, remove(s.DeleteStreamingPolicy))
}

func (t *routeTable) accessTokens(s AccessTokenService) {
	const token = "/accessTokens/{accessToken}"
	t.in("GET", "/accessTokens", "AccessTokens_List", RoleAdmin, list(s.ListAccessTokens))
	t.in("GET", token, "AccessTokens_Get", RoleAdmin, get(s.GetAccessToken))
	t.in("PUT", token, "AccessTokens_Create", RoleAdmin, create(s.CreateAccessToken))
	t.in("DELETE", token, "AccessTokens_Delete", RoleAdmin, remove(s.DeleteAccessToken))
}

// match finds the route of a request. The escaped path is split first, then each segment decoded: "a%2Fb" is one name.
func (h *handler) match(method, escaped string) (*route, []string, error) {
	segments := strings.Split(strings.TrimSuffix(escaped, "/"), "/")[1:]
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil, nil, &Error{Code: CodeBadRequest, Message: "The path is not well escaped."}
		}
		segments[i] = decoded
	}
	var allowed []string
	for i := range h.routes {
		rt := &h.routes[i]
		params, scope, ok := rt.match(segments)
		if !ok {
			continue
		}
		if rt.method != method {
			if !slices.Contains(allowed, rt.method) {
				allowed = append(allowed, rt.method)
			}
			continue
		}
		if err := h.inScope(scope); err != nil {
			return nil, nil, err
		}
		return rt, params, nil
	}
	if allowed != nil {
		methods := strings.Join(allowed, ", ")
		return nil, nil, &Error{Code: CodeMethodNotAllowed, Target: methods, Message: "The method is not allowed here; allowed: " + methods + "."}
	}
	return nil, nil, &Error{Code: CodeNotFound, Message: "No such path in this API.", Hint: "GET /openapi.json lists the paths."}
}

// match returns the names in segments, and of those the subscription, group and account apart.
func (rt *route) match(segments []string) (params, scope []string, ok bool) {
	if len(segments) != len(rt.segments) {
		return nil, nil, false
	}
	for i, want := range rt.segments {
		switch {
		case want == "{sub}" || want == "{rg}" || want == "{account}":
			scope = append(scope, segments[i])
		case want[0] == '{':
			if segments[i] == "" {
				return nil, nil, false
			}
			params = append(params, segments[i])
		case !strings.EqualFold(want, segments[i]):
			return nil, nil, false
		}
	}
	return params, scope, true
}

func (h *handler) inScope(scope []string) error {
	want := []string{h.o.Account.Subscription, h.o.Account.ResourceGroup, h.o.Account.Name}
	errs := []*Error{
		{Code: CodeSubscriptionNotFound, Message: "The subscription could not be found.", Hint: "This server's is " + want[0] + "."},
		{Code: CodeGroupNotFound, Message: "The resource group could not be found.", Hint: "This server's is " + want[1] + "."},
		{Code: CodeAccountNotFound, Message: "The Media Services account could not be found.", Hint: "This server's is " + want[2] + "."},
	}
	for i, got := range scope {
		if !strings.EqualFold(got, want[i]) {
			return errs[i]
		}
	}
	return nil
}

// name returns the innermost name in the path; of a get on the account, "".
func (c *call) name() string {
	if len(c.params) == 0 {
		return ""
	}
	return c.params[len(c.params)-1]
}

func (c *call) listOptions() (ListOptions, error) {
	o := ListOptions{Filter: c.param("$filter"), OrderBy: c.param("$orderby"), SkipToken: c.param("$skiptoken")}
	if top := c.param("$top"); top != "" {
		n, err := strconv.Atoi(top)
		if err != nil || n < 1 {
			return o, &Error{Code: CodeBadRequest, Target: "$top", Message: "$top has to be a positive integer."}
		}
		o.Top = &n
	}
	return o, nil
}

// nextLink is absolute and repeats the query with another continuation token (ams-wire §8).
func (c *call) nextLink(token string) string {
	q := url.Values{}
	for name, values := range c.query {
		if !strings.EqualFold(name, "$skiptoken") {
			q[name] = values
		}
	}
	q.Set("$skiptoken", token)
	return c.base() + c.r.URL.EscapedPath() + "?" + q.Encode()
}

func (c *call) writeOptions() (WriteOptions, error) {
	o := WriteOptions{IfMatch: c.r.Header.Get("If-Match"), IfNoneMatch: c.r.Header.Get("If-None-Match")}
	switch v := c.param("autoStart"); {
	case v == "" || strings.EqualFold(v, "false"):
	case strings.EqualFold(v, "true"):
		o.AutoStart = true
	default:
		return o, &Error{Code: CodeBadRequest, Target: "autoStart", Message: "autoStart has to be true or false."}
	}
	return o, nil
}

// respondLong answers that an operation has begun (ams-wire §6.1). There is no Retry-After: most operations end within
// milliseconds, and the Go client would sleep before its first poll.
func (c *call) respondLong(op *Operation, status int, body any) error {
	version := "?api-version=" + url.QueryEscape(c.param("api-version"))
	account := c.base() + c.h.o.Account.accountPath()
	head := c.w.Header()
	head.Set("Azure-AsyncOperation", account+"/"+operations(op.Collection)+"/"+op.Name+version)
	path := ""
	for i, collection := range nesting(op.Collection) {
		path += "/" + collection + "/" + url.PathEscape(op.Target[i])
	}
	head.Set("Location", account+path+"/operationLocations/"+op.Name+version)
	if body == nil {
		c.w.WriteHeader(status)
		return nil
	}
	return c.json(status, body)
}

// operations names the collection of the operations on a collection: liveEventOperations.
func operations(collection string) string { return strings.TrimSuffix(collection, "s") + "Operations" }

// nesting lists the collections from the outermost to this one.
func nesting(collection string) []string {
	if collection == LiveOutputs {
		return []string{LiveEvents, LiveOutputs}
	}
	return []string{collection}
}

func status(s Service, collection string) binding {
	return binding{answer: Operation{}, statuses: []int{http.StatusOK}, do: func(c *call) error {
		op, err := s.GetOperation(c.r.Context(), collection, c.name())
		if err != nil {
			return err
		}
		if !op.Done() {
			c.w.Header().Set("Retry-After", "1")
		}
		return c.json(http.StatusOK, op)
	}}
}

// result answers the resource an operation was about; 204 when it is gone, never 404 (ams-wire §6.1).
func result(s Service, collection string) binding {
	return binding{statuses: []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent}, do: func(c *call) error {
		op, err := s.GetOperation(c.r.Context(), collection, c.name())
		if err != nil {
			return err
		}
		if !op.Done() {
			c.w.Header().Set("Retry-After", "1")
			c.w.WriteHeader(http.StatusAccepted)
			return nil
		}
		resource, err := target(c.r.Context(), s, op)
		if e := new(Error); errors.As(err, &e) && StatusOf(e) == http.StatusNotFound {
			c.w.WriteHeader(http.StatusNoContent)
			return nil
		}
		if err != nil {
			return err
		}
		return c.json(http.StatusOK, resource)
	}}
}

func target(ctx context.Context, s Service, op *Operation) (any, error) {
	switch op.Collection {
	case LiveEvents:
		return s.GetLiveEvent(ctx, op.Target[0])
	case LiveOutputs:
		return s.GetLiveOutput(ctx, op.Target[0], op.Target[1])
	case StreamingEndpoints:
		return s.GetStreamingEndpoint(ctx, op.Target[0])
	}
	return nil, fmt.Errorf("an operation on %q", op.Collection)
}
