//go:build race

package storetest

// underRace says that the race detector is built in.
const underRace = true
