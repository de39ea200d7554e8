package origin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"headwater.stream/internal/media"
	"headwater.stream/locator"
	"headwater.stream/packager/progressive"
)

// failure is how an error is answered: status and code of ams-v3 §11.3, and a sentence.
type failure struct {
	status  int
	code    string
	message string
	retry   bool // Retry-After
}

// codeHeader carries the code, for those who do not read bodies.
const codeHeader = "X-Ms-Error-Code"

// classify maps an error to its answer. What it does not know is the store's fault, and may pass.
func classify(err error) failure {
	for _, k := range []struct {
		err error
		failure
	}{
		{locator.ErrFormat, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FORMAT_NOT_SUPPORTED"}},
		{locator.ErrEncryption, failure{status: http.StatusUnsupportedMediaType, code: "MPE_ENCRYPTION_NOT_SUPPORTED"}},
		{locator.ErrFilters, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FILTER_COMPOSITION_FILTER_COUNT_OVER_LIMIT"}},
		{locator.ErrParameter, failure{status: http.StatusBadRequest, code: "MPE_BAD_URL_SYNTAX"}},
		{locator.ErrSyntax, failure{status: http.StatusNotFound, code: "MPE_RESOURCE_NOT_FOUND"}},
		{errDirective, failure{status: http.StatusBadRequest, code: "MPE_BAD_URL_SYNTAX"}},
		{errTooFar, failure{status: http.StatusBadRequest, code: "MPE_BAD_URL_SYNTAX"}},
		{errBody, failure{status: http.StatusBadRequest, code: "MPE_BAD_URL_SYNTAX"}},
		{errMethod, failure{status: http.StatusMethodNotAllowed, code: "MPE_BAD_URL_SYNTAX"}},
		{progressive.ErrLive, failure{status: http.StatusNotFound, code: "MPE_FRAGMENT_NOT_READY"}},
		{progressive.ErrEmpty, failure{status: http.StatusNotFound, code: "MPE_LIVE_MEDIA_ENTRIES_NOT_FOUND"}},
		{progressive.ErrCodecs, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FORMAT_NOT_SUPPORTED"}},
		{progressive.ErrTooLong, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FORMAT_NOT_SUPPORTED"}},
		{ErrNoPictures, failure{status: http.StatusNotFound, code: "MPE_RESOURCE_NOT_FOUND"}},
		{ErrLater, failure{status: http.StatusServiceUnavailable, code: "MPE_FRAGMENT_NOT_READY", retry: true}},
		{errTrack, failure{status: http.StatusNotFound, code: "MPE_EGRESS_TRACK_NOT_FOUND"}},
		{errPending, failure{status: http.StatusNotFound, code: "MPE_LIVE_MEDIA_ENTRIES_NOT_FOUND"}},
		{errNotReady, failure{status: http.StatusNotFound, code: "MPE_FRAGMENT_NOT_READY"}},
		{media.ErrNotFound, failure{status: http.StatusNotFound, code: "MPE_FRAGMENT_TIMESTAMP_NOT_FOUND"}},
		{ErrNotFound, failure{status: http.StatusNotFound, code: "MPE_RESOURCE_NOT_FOUND"}},
		{ErrStopped, failure{status: http.StatusNotFound, code: "MPE_RESOURCE_NOT_FOUND"}},
		{ErrNoMedia, failure{status: http.StatusNotFound, code: "MPE_LIVE_MEDIA_ENTRIES_NOT_FOUND"}},
		{ErrNotValid, failure{status: http.StatusNotFound, code: "MPE_UNAUTHORIZED"}},
		{ErrNoFilter, failure{status: http.StatusNotFound, code: "MPE_EGRESS_FILTER_NOT_FOUND"}},
		{ErrNoSpan, failure{status: http.StatusNotFound, code: "MPE_EGRESS_TIMESTAMP_NOT_FOUND"}},
		{ErrFilterRange, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FILTER_RANGE_ATTRIBUTE_INVALID"}},
		{ErrFilterTrack, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FILTER_TRACK_ATTRIBUTE_INVALID"}},
		{ErrFilterWindow, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FILTER_PRESENTATION_WINDOW_INVALID"}},
		{ErrFilterBackoff, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FILTER_LIVE_BACKOFF_INVALID"}},
		{ErrBackoffWindow, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FILTER_LIVE_BACKOFF_OVER_PRESENTATION_WINDOW"}},
		{ErrBackoffDVR, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FILTER_LIVE_BACKOFF_OVER_DVRWINDOW"}},
		{ErrFilterSegment, failure{status: http.StatusUnsupportedMediaType, code: "MPE_HLS_SEGMENT_TOO_LARGE"}},
		{ErrRemovedAll, failure{status: http.StatusUnsupportedMediaType, code: "MPE_FILTER_REMOVED_ALL_STREAMS"}},
		{ErrLeftWindow, failure{status: http.StatusGone, code: "MPE_FILTER_FORCE_END_LEFT_EDGE_CROSSED_DVR_WINDOW"}},
		{ErrProtocol, failure{status: http.StatusForbidden, code: "MPE_OUTPUT_FORMAT_BLOCKED"}},
		{ErrToken, failure{status: http.StatusForbidden, code: "MPE_UNAUTHORIZED"}},
		{ErrAddress, failure{status: http.StatusForbidden, code: "MPE_UNAUTHORIZED"}},
		{errRange, failure{status: http.StatusRequestedRangeNotSatisfiable, code: "MPE_STORAGE_INVALID_RANGE"}},
		{errBusy, failure{status: http.StatusServiceUnavailable, code: "MPE_STORAGE_SERVER_BUSY", retry: true}},
		{errExpired, failure{status: http.StatusServiceUnavailable, code: "MPE_FRAGMENT_NOT_READY", retry: true}},
	} {
		if errors.Is(err, k.err) {
			k.message = err.Error()
			return k.failure
		}
	}
	return failure{status: http.StatusServiceUnavailable, code: "MPE_STORAGE_SERVER_BUSY", message: "the origin cannot read this now", retry: true}
}

// forbidden is an error that is answered 403 whatever it is: what a cache asks about takes no other refusal.
type forbidden struct{ error }

func (e forbidden) Unwrap() error { return e.error }

// fail answers with an error: a short body, the code in a header, and no chance to live long in a cache (rule D4).
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // the viewer left
	}
	f := classify(err)
	if _, ok := err.(forbidden); ok {
		f.status, f.retry = http.StatusForbidden, false
	}
	if f.status >= 500 {
		h.metrics.ServerError.Add(1)
		if !errors.Is(err, errExpired) && !errors.Is(err, errBusy) && !errors.Is(err, ErrLater) {
			_, path := locator.CutToken(r.URL.Path, "") // tokens are in no log
			h.log.Warn("request failed", "path", path, "status", f.status, "err", err)
		}
	} else {
		h.metrics.ClientError.Add(1)
	}
	body, _ := json.Marshal(struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{f.code, f.message}) // strings always encode
	head := w.Header()
	head[codeHeader] = []string{f.code}
	head.Set("Content-Type", "application/json")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-store")
	if f.status == http.StatusNotFound && !errors.Is(err, errNotReady) && !errors.Is(err, errPending) {
		// What may come any moment must not be kept from viewers by a cache; the rest spares the origin a crowd.
		head.Set("Cache-Control", "public, max-age=1")
	}
	if f.retry {
		head.Set("Retry-After", "1")
	}
	h.send(w, r, f.status, [][]byte{body}, int64(len(body)))
}
