package api

// Operation is a long-running operation: what its status URL answers, and what it is about.
type Operation struct {
	Name   string         `json:"name"`
	Status string         `json:"status"`
	Error  OperationError `json:"error"` // present even on success, with code None

	Collection string   `json:"-"` // LiveEvents, LiveOutputs or StreamingEndpoints
	Target     []string `json:"-"` // names from the outermost resource inwards
}

// OperationError says why an operation failed.
type OperationError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target,omitempty"`
}

// Done reports whether the operation has ended, well or not.
func (o *Operation) Done() bool { return o.Status == Succeeded || o.Status == Failed }
