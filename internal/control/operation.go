package control

import (
	"context"
	"errors"
	"time"

	"headwater.stream/api"
)

var errBooting = errors.New("the stored resources are being brought up")

// Verbs of operations.
const (
	verbCreate       = "create"
	verbStart        = "start"
	verbStop         = "stop"
	verbReset        = "reset"
	verbAllocate     = "allocate"
	verbDelete       = "delete"
	verbScale        = "scale"
	verbCreateOutput = "createOutput"
	verbDeleteOutput = "deleteOutput"
)

// Keeping operations.
const (
	keepOperations = 48 * time.Hour // "at least 24 h" (ams-wire §6.1)
	startAttempts  = 3              // before something that does not start is given up
)

// operate begins an operation as part of x.
func (s *Service) operate(x *tx, verb, collection string, target ...string) *operationRec {
	op := operationRec{ID: newGUID(), Verb: verb, Collection: collection, Target: target, Status: api.InProgress, Started: s.o.Now().UTC()}
	put(x, &s.operations, op.ID, op)
	return &op
}

func (op *operationRec) wire() *api.Operation {
	code, message := op.Code, op.Message
	if code == "" {
		code = "None" // "error object present even on success" (ams-v3 §2.5)
	}
	return &api.Operation{
		Name: op.ID, Status: op.Status, Error: api.OperationError{Code: code, Message: message, Target: op.Target[len(op.Target)-1]},
		Collection: op.Collection, Target: op.Target,
	}
}

// GetOperation implements api.Service. It holds the answer back for a moment, so that a client that polls at once and
// would then pause for a second learns of an end that is near.
func (s *Service) GetOperation(ctx context.Context, collection, id string) (*api.Operation, error) {
	find := func() *row[operationRec] {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if r := s.operations.find(id); r != nil && r.rec.Collection == collection {
			return r
		}
		return nil
	}
	if r := find(); r == nil {
		return nil, api.NotFound(id)
	}
	var last *row[operationRec]
	s.await(ctx, pollWait, func() bool {
		last = find()
		return last == nil || last.rec.Status != api.InProgress
	})
	if last == nil {
		return nil, api.NotFound(id)
	}
	return last.rec.wire(), nil
}

// busy refuses a second operation on the same thing (ams-wire §6.5).
func (s *Service) busy(what, name, operation string) error {
	if operation == "" {
		return nil
	}
	verb := "operation"
	if op := s.operations.find(operation); op != nil {
		verb = op.rec.Verb
	}
	return &api.Error{Code: api.CodeConflict, Target: name, Message: "Another operation (" + verb + ") is under way on the " + what + " '" + name + "'.",
		Hint: "Wait for its end; operations on one live event and its outputs go one at a time."}
}

// conclude ends what a pass of the loop has brought about.
func (s *Service) conclude(ctx context.Context, p pending, failed map[string]error) error {
	if len(p.events)+len(p.endpoints)+len(p.assets) == 0 {
		return nil
	}
	x := s.begin()
	defer x.end()
	for _, k := range p.events {
		if e := s.events.rows[k]; e != nil {
			if op := s.operations.find(e.rec.Operation); op != nil {
				s.concludeEvent(x, e, op.rec, failed)
			}
		}
	}
	for _, k := range p.endpoints {
		if e := s.endpoints.rows[k]; e != nil {
			if op := s.operations.find(e.rec.Operation); op != nil {
				s.concludeEndpoint(x, e, op.rec)
			}
		}
	}
	for _, k := range p.assets {
		if a := s.assets.rows[k]; a != nil && a.rec.Deleting && failed[a.rec.ID] == nil {
			drop(x, &s.assets, k)
			s.o.Log.Info("asset deleted", "asset", a.rec.Name)
		}
	}
	return x.commit(ctx)
}

// end closes an operation.
func (s *Service) end(x *tx, op operationRec, err error) {
	op.Status, op.Ended = api.Succeeded, s.o.Now().UTC()
	if err != nil {
		op.Status, op.Code, op.Message = api.Failed, "OperationFailed", "The "+op.Verb+" failed: "+err.Error()
	}
	put(x, &s.operations, op.ID, op)
	delete(s.loop.failures, op.ID)
	s.o.Log.Info("operation ended", "operation", op.Verb, "target", op.Target, "status", op.Status, "took", op.Ended.Sub(op.Started).Round(time.Millisecond))
}

// gaveUp counts a failure of an operation and reports whether it is tried no more. Only the loop calls it.
func (s *Service) gaveUp(op *operationRec) bool {
	s.loop.failures[op.ID]++
	return s.loop.failures[op.ID] >= startAttempts
}

// concludeEvent takes an event the next step of its operation. What starts may fail for good; what ends is tried until
// it has ended.
func (s *Service) concludeEvent(x *tx, e *row[eventRec], op operationRec, failed map[string]error) {
	rec := e.rec
	err := failed[rec.ID]
	switch op.Verb {
	case verbCreateOutput:
		s.concludeOutput(x, e, op, failed)
		return
	case verbDeleteOutput:
		o := s.outputs.find(op.Target...)
		if o != nil && failed[o.rec.ID] != nil {
			return
		}
		if o != nil {
			s.dropOutput(x, o)
		}
		rec.Operation = ""
	case verbCreate, verbStart, verbAllocate:
		if err != nil && !s.gaveUp(&op) {
			return
		}
		rec.Made, rec.Operation = true, ""
		rec.State = reached(rec.State)
		if err != nil {
			rec.State = api.Stopped // "failure falls back to Stopped" (ams-v3 §2.1)
		}
	case verbStop, verbReset:
		if err != nil {
			return
		}
		if rec.State == api.Stopping {
			for _, o := range s.outputs.rows {
				if o.rec.EventID != rec.ID {
					continue
				}
				if failed[o.rec.ID] != nil {
					return
				}
				s.dropOutput(x, o)
			}
		}
		if op.Verb == verbReset && rec.State == api.Stopping {
			rec.State = api.Starting // the second half of the reset
			put(x, &s.events, e.key, rec)
			return
		}
		rec.State, rec.Operation = reached(rec.State), ""
	case verbDelete:
		if err != nil {
			return
		}
		drop(x, &s.events, e.key)
		s.end(x, op, nil)
		return
	}
	put(x, &s.events, e.key, rec)
	s.end(x, op, err)
}

// reached is the state that a state on the way leads to.
func reached(state string) string {
	switch state {
	case api.Starting:
		return api.Running
	case api.Stopping:
		return api.Stopped
	case api.Allocating:
		return api.StandBy
	}
	return state
}

func (s *Service) concludeOutput(x *tx, e *row[eventRec], op operationRec, failed map[string]error) {
	k := key(op.Target...)
	var err error
	if o := s.outputs.rows[k]; o != nil {
		err = failed[o.rec.ID]
		switch {
		case err == nil:
			rec := o.rec
			rec.State = api.Running
			put(x, &s.outputs, k, rec)
		case !s.gaveUp(&op):
			return
		default:
			drop(x, &s.outputs, k)
			if a := s.assetByID(o.rec.AssetID); a != nil && a.rec.Output == o.rec.ID {
				rec := a.rec
				rec.Output, rec.ManifestName = "", ""
				put(x, &s.assets, a.key, rec)
			}
		}
	}
	rec := e.rec
	rec.Operation = ""
	put(x, &s.events, e.key, rec)
	s.end(x, op, err)
}

func (s *Service) concludeEndpoint(x *tx, e *row[endpointRec], op operationRec) {
	if op.Verb == verbDelete {
		drop(x, &s.endpoints, e.key)
	} else {
		rec := e.rec
		rec.State, rec.Operation, rec.Made = reached(rec.State), "", true
		put(x, &s.endpoints, e.key, rec)
	}
	s.end(x, op, nil)
}

// sweep forgets operations nobody will ask for again.
func (s *Service) sweep(ctx context.Context) {
	x := s.begin()
	defer x.end()
	before := s.o.Now().Add(-keepOperations)
	for k, op := range s.operations.rows {
		if op.rec.Status != api.InProgress && op.rec.Ended.Before(before) {
			drop(x, &s.operations, k)
		}
	}
	if err := x.commit(ctx); err != nil {
		s.o.Log.Error("old operations could not be removed", "error", err)
	}
}
