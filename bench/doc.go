// Command bench measures Sluice and other Go rate limiters side by side, on the same work and in one run.
//
//	go run ./bench                              # all rows, under five minutes
//	go run ./bench -short                       # the same rows roughly, under 40 seconds
//	go run ./bench -only redis/spread/256       # some rows: a regular expression over store/keys/goroutines/limiter
//	go run ./bench -markdown FILE               # writes the tables to a file too
//
// Each row is one limiter under one load: checks of cost 1 by 1, 16 or 256 goroutines, on 10,000 keys in random order
// or on one hot key. Limiters take turns in rounds, each round in another order, so that what else the machine does
// meets all of them; a figure is the median of its rounds. Every limiter is used as its own documentation says, with a
// limit so large that all checks are allowed, and before anything is measured it must show that it counts: of a limit
// of 5 exactly 5 are allowed, for each key apart. Rows where Sluice is behind are listed at the end.
//
// It starts a private redis-server on a free loopback port, which keeps nothing on disk and ends with the program, and
// touches no other. It is a program to run, not a library, and is never released.
package main
