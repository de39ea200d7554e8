package memstate_test

import (
	"testing"

	"headwater.stream/internal/state"
	"headwater.stream/internal/state/memstate"
	"headwater.stream/internal/state/statetest"
)

func TestStore(t *testing.T) {
	statetest.Test(t, func(*testing.T) state.Store { return memstate.New() })
}
