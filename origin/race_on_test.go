//go:build race

package origin_test

// raceEnabled: the race detector multiplies what memory things cost.
const raceEnabled = true
