package control

import (
	"context"
	"slices"
	"strings"

	"headwater.stream/api"
)

// transition is what a verb needs of an event and makes of it at once; the reconcile loop does the rest.
type transition struct {
	verb string
	from []string // legal states (ams-v3 §2.1)
	to   string
}

// StartLiveEvent implements api.Service.
func (s *Service) StartLiveEvent(ctx context.Context, name string) (*api.Operation, error) {
	return s.transit(ctx, name, transition{verbStart, []string{api.Stopped, api.StandBy}, api.Starting}, nil)
}

// AllocateLiveEvent implements api.Service.
func (s *Service) AllocateLiveEvent(ctx context.Context, name string) (*api.Operation, error) {
	return s.transit(ctx, name, transition{verbAllocate, []string{api.Stopped}, api.Allocating}, nil)
}

// StopLiveEvent implements api.Service.
func (s *Service) StopLiveEvent(ctx context.Context, name string, o api.StopOptions) (*api.Operation, error) {
	return s.transit(ctx, name, transition{verbStop, []string{api.Running, api.StandBy}, api.Stopping}, func(x *tx, e *row[eventRec]) error {
		if outputs := s.outputNames(e.rec.ID); len(outputs) > 0 && !o.RemoveOutputsOnStop {
			return conflict(name, "Delete the live outputs first, or stop with removeOutputsOnStop.", "The live event '%s' has live outputs: %s.", e.rec.Name, strings.Join(outputs, ", "))
		}
		s.removeOutputs(x, e.rec.ID)
		return nil
	})
}

// ResetLiveEvent implements api.Service.
func (s *Service) ResetLiveEvent(ctx context.Context, name string) (*api.Operation, error) {
	return s.transit(ctx, name, transition{verbReset, []string{api.Running}, api.Stopping}, func(x *tx, e *row[eventRec]) error {
		s.removeOutputs(x, e.rec.ID)
		return nil
	})
}

// DeleteLiveEvent implements api.Service.
func (s *Service) DeleteLiveEvent(ctx context.Context, name string, o api.WriteOptions) (*api.Operation, error) {
	op, err := s.transit(ctx, name, transition{verbDelete, []string{api.Stopped}, api.Deleting}, func(_ *tx, e *row[eventRec]) error {
		if outputs := s.outputNames(e.rec.ID); len(outputs) > 0 {
			return conflict(name, "Delete the live outputs first.", "The live event '%s' has live outputs: %s.", e.rec.Name, strings.Join(outputs, ", "))
		}
		return checkMatch(o, e.etag())
	})
	if isNotFound(err) {
		return nil, nil // "DELETE of something absent → 204" (ams-wire §3.4)
	}
	return op, err
}

// transit begins an operation on an event, when its state allows it and check does not object.
func (s *Service) transit(ctx context.Context, name string, t transition, check func(*tx, *row[eventRec]) error) (*api.Operation, error) {
	x := s.begin()
	defer x.end()
	e := s.events.find(name)
	if e == nil {
		return nil, api.NotFound(name)
	}
	if err := s.busy("live event", e.rec.Name, e.rec.Operation); err != nil {
		return nil, err
	}
	if !slices.Contains(t.from, e.rec.State) {
		return nil, conflict(name, "", "The live event '%s' is %s; %s needs it to be %s.", e.rec.Name, e.rec.State, t.verb, strings.Join(t.from, " or "))
	}
	if check != nil {
		if err := check(x, e); err != nil {
			return nil, err
		}
	}
	op := s.operate(x, t.verb, api.LiveEvents, e.rec.Name)
	rec := e.rec
	rec.State, rec.Operation = t.to, op.ID
	put(x, &s.events, e.key, rec)
	if err := x.commit(ctx); err != nil {
		return nil, err
	}
	return op.wire(), nil
}

func (s *Service) outputNames(eventID string) []string {
	var names []string
	for _, o := range s.outputs.rows {
		if o.rec.EventID == eventID {
			names = append(names, o.rec.Name)
		}
	}
	slices.Sort(names)
	return names
}

// removeOutputs marks all outputs of an event as going; their assets stay.
func (s *Service) removeOutputs(x *tx, eventID string) {
	for k, o := range s.outputs.rows {
		if o.rec.EventID == eventID {
			rec := o.rec
			rec.State = api.Deleting
			put(x, &s.outputs, k, rec)
		}
	}
}

// LiveEventStatus implements api.Service.
func (s *Service) LiveEventStatus(_ context.Context, name string) (*api.LiveEventStatusList, error) {
	e, err := lookup(s, &s.events, name)
	if err != nil {
		return nil, err
	}
	v := api.LiveEventStatus{State: "Stopped", HealthDescriptions: []string{}, TrackStatus: []api.TrackStatus{}, LastUpdatedTime: api.NewTime(s.o.Now())}
	if e.rec.State == api.Running {
		v.State = "Running"
		st, _ := s.runtime.EventStatus(e.rec.ID)
		if !st.Since.IsZero() {
			v.Ingestion = ingestion(&st)
		}
		v.HealthStatus, v.HealthDescriptions = judge(&st, s.runtime.Examine(e.rec.ID), s.o.Now())
		for i, t := range st.Tracks {
			track := api.TrackStatus{TrackID: t, IngestDrift: drift(-1)}
			if beats := st.latest(); i < len(beats) {
				track.ExpectedBitrate, track.IncomingBitrate, track.IngestDrift = int32(beats[i].Bitrate), int32(beats[i].Incoming), drift(beats[i].Drift)
			}
			v.TrackStatus = append(v.TrackStatus, track)
		}
	}
	return &api.LiveEventStatusList{Value: []api.LiveEventStatus{v}}, nil
}
