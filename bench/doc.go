// Command bench measures Sluice and other Go rate limiters side by side, on the same work and in one run.
//
//	go run .                            # all rows, 5 rounds of 1.5 s each
//	go run . -short                     # the same rows roughly, in a minute or two
//	go run . -only redis/spread/256     # some rows: a regular expression over group/keys/goroutines/limiter
//	go run . -docs ../docs              # writes the figures of a whole run into benchmarks.md and a chart, as make bench does
//
// docs/benchmarks.md says what is measured, and how to read it. Limiters of a contest take turns in rounds, each round in
// another order, so that what else the machine does meets all of them; a figure is the median of its rounds. Every
// limiter is used as its own documentation says, and before anything is measured it must show that it counts: of a limit
// of 5 exactly 5 are allowed, for each key apart. Goals, those that are not reached too, and rows where Sluice is behind
// are listed at the end.
//
// It starts private servers on free loopback ports, which keep nothing on disk and end with the program, and touches no
// others. It is a program to run, not a library, and is never released.
package main
