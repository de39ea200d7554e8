package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Code is the machine-readable part of an Error, in the words of Azure Resource Manager.
type Code string

// The codes.
const (
	CodeAuthenticationFailed Code = "AuthenticationFailed"
	CodeInvalidToken         Code = "InvalidAuthenticationToken"
	CodeAuthorizationFailed  Code = "AuthorizationFailed"
	CodeNotFound             Code = "NotFound"
	CodeParentNotFound       Code = "ParentResourceNotFound"
	CodeAccountNotFound      Code = "ResourceNotFound"
	CodeGroupNotFound        Code = "ResourceGroupNotFound"
	CodeSubscriptionNotFound Code = "SubscriptionNotFound"
	CodeMethodNotAllowed     Code = "MethodNotAllowed"
	CodeBadRequest           Code = "BadRequest"
	CodeInvalidContent       Code = "InvalidRequestContent"
	CodeInvalidName          Code = "InvalidResourceName"
	CodeLocationRequired     Code = "LocationRequired"
	CodeMissingAPIVersion    Code = "MissingApiVersionParameter"
	CodeInvalidAPIVersion    Code = "InvalidApiVersionParameter"
	CodeTooLarge             Code = "RequestEntityTooLarge"
	CodeConflict             Code = "Conflict"
	CodeQuotaExceeded        Code = "QuotaExceeded"
	CodePreconditionFailed   Code = "PreconditionFailed"
	CodeTooManyRequests      Code = "TooManyRequests"
	CodeInternal             Code = "InternalServerError"
	CodeServiceUnavailable   Code = "ServiceUnavailable"
	CodeInsufficientStorage  Code = "InsufficientStorage"
	codeNone                 Code = "None"
)

const (
	unreadable         = "the server's answer could not be read"
	additionalInfoHint = "Hint"
	notFoundMessage    = "The requested resource was not found."
	maxErrorBody       = 64 << 10
)

// Error is what a caller is told: a code, a sentence, what it is about, and what to do.
type Error struct {
	Code    Code
	Message string
	Target  string // the property or resource it is about
	Hint    string // what the caller can do
	Status  int    // set by Client: the HTTP status of the answer
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// NotFound is the error for a resource that does not exist.
func NotFound(target string) *Error {
	return &Error{Code: CodeNotFound, Message: notFoundMessage, Target: target}
}

// StatusOf maps an error to its HTTP status. Anything that is not an *Error is a fault of ours.
func StatusOf(err error) int {
	var e *Error
	if !errors.As(err, &e) {
		return http.StatusInternalServerError
	}
	if e.Status != 0 {
		return e.Status
	}
	switch e.Code {
	case CodeAuthenticationFailed, CodeInvalidToken:
		return http.StatusUnauthorized
	case CodeAuthorizationFailed:
		return http.StatusForbidden
	case CodeNotFound, CodeParentNotFound, CodeAccountNotFound, CodeGroupNotFound, CodeSubscriptionNotFound:
		return http.StatusNotFound
	case CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeConflict, CodeQuotaExceeded:
		return http.StatusConflict
	case CodePreconditionFailed:
		return http.StatusPreconditionFailed
	case CodeTooManyRequests:
		return http.StatusTooManyRequests
	case CodeInternal:
		return http.StatusInternalServerError
	case CodeServiceUnavailable:
		return http.StatusServiceUnavailable
	case CodeInsufficientStorage:
		return http.StatusInsufficientStorage
	}
	return http.StatusBadRequest
}

// envelope is the ARM error envelope.
type envelope struct {
	Error envelopeBody `json:"error"`
}

type envelopeBody struct {
	Code           string           `json:"code"`
	Message        string           `json:"message"`
	Target         string           `json:"target,omitempty"`
	Details        []envelopeBody   `json:"details,omitempty"`
	AdditionalInfo []additionalInfo `json:"additionalInfo,omitempty"`
}

type additionalInfo struct {
	Type string            `json:"type"`
	Info map[string]string `json:"info"`
}

// public turns any error into what may be shown: a fault of ours shows no internals.
func public(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: "The server met an unexpected condition; its log says more."}
}

func (e *Error) envelope() envelope {
	body := envelopeBody{Code: string(e.Code), Message: e.Message, Target: e.Target}
	if e.Hint != "" {
		body.AdditionalInfo = []additionalInfo{{Type: additionalInfoHint, Info: map[string]string{"hint": e.Hint}}}
	}
	return envelope{Error: body}
}

// parseError reads an error answer.
func parseError(status int, body []byte) *Error {
	var env envelope
	if err := json.Unmarshal(body, &env); err != nil || env.Error.Code == "" {
		return &Error{Code: CodeInternal, Status: status, Message: strings.ToLower(http.StatusText(status)) + ": " + unreadable,
			Hint: "Is the control URL that of a Headwater control API?"}
	}
	e := &Error{Code: Code(env.Error.Code), Message: env.Error.Message, Target: env.Error.Target, Status: status}
	for _, info := range env.Error.AdditionalInfo {
		if info.Type == additionalInfoHint {
			e.Hint = info.Info["hint"]
		}
	}
	return e
}
