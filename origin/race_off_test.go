//go:build !race

package origin_test

const raceEnabled = false
