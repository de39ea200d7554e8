package main

import (
	"context"
	"errors"
	"net/http"

	"headwater.stream/api"
)

// Exit codes; exitHelp says them in the help.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitConflict    = 4
	exitUnreachable = 5
	exitDamaged     = 6
	exitMust        = 7
	exitShould      = 8
)

const exitHelp = `Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  the resource does not exist
  4  conflict: it exists, is in use, is in another state, or a limit is reached
  5  the control API cannot be reached, or refuses the token
  6  the recording is damaged
  7  lint: a MUST rule is broken
  8  lint: a SHOULD rule is broken, and no MUST rule`

// exitCode maps an error to an exit code. What fails before a command runs is the command line's fault.
func (a *app) exitCode(err error) int {
	var usage usageError
	if !a.ran || errors.As(err, &usage) {
		return exitUsage
	}
	if errors.Is(err, api.ErrUnreachable) {
		return exitUnreachable
	}
	if errors.Is(err, errDamaged) {
		return exitDamaged
	}
	if errors.Is(err, errMust) {
		return exitMust
	}
	if errors.Is(err, errShould) {
		return exitShould
	}
	var e *api.Error
	if !errors.As(err, &e) {
		return exitFailed
	}
	switch api.StatusOf(e) {
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitUnreachable
	}
	return exitFailed
}

// usageError is a wrong use that only the command itself can see.
type usageError string

func (e usageError) Error() string { return string(e) }

// describe returns what a person is told, and what to do.
func describe(err error) (message, hint string) {
	var e *api.Error
	switch {
	case errors.As(err, &e):
		message, hint = err.Error(), e.Hint
		if e.Code == api.CodeNotFound && e.Target != "" {
			message += " (" + e.Target + ")"
		}
		return message, hint
	case errors.Is(err, context.Canceled):
		return "interrupted", ""
	case errors.Is(err, api.ErrUnreachable):
		return err.Error(), "Is 'headwater serve' running? Give its data directory with --data-dir, or its URL with --control."
	}
	return err.Error(), ""
}

// reportedError is an error that a log line has told already.
type reportedError struct{ error }

func (e reportedError) Unwrap() error { return e.error }
