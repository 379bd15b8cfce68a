package sluice

import (
	"context"
	"time"
)

// Observation is what an [Observer] is told of one request that went to a store.
type Observation struct {
	Request  Request
	Decision Decision // the zero Decision where Err is not nil
	Err      error
	Elapsed  time.Duration // what the caller waited; for a batch, what the whole batch took
}

// Observer is told of every request that a store answered, on the caller's goroutine after the answer: it must be
// quick, and safe for concurrent use.
type Observer func(ctx context.Context, o Observation)

// Observe returns a store that answers as the one given and tells the observer of every check and peek.
func Observe(store Store, observer Observer) Store {
	return &observedStore{Store: store, observe: observer}
}

type observedStore struct {
	Store
	observe Observer
}

func (s *observedStore) Check(ctx context.Context, req Request) (Decision, error) {
	start := time.Now()
	d, err := s.Store.Check(ctx, req)
	s.observe(ctx, Observation{Request: req, Decision: d, Err: err, Elapsed: time.Since(start)})
	return d, err
}

func (s *observedStore) CheckAll(ctx context.Context, reqs []Request) []Result {
	start := time.Now()
	results := s.Store.CheckAll(ctx, reqs)
	elapsed := time.Since(start)
	for i, r := range results {
		s.observe(ctx, Observation{Request: reqs[i], Decision: r.Decision, Err: r.Err, Elapsed: elapsed})
	}
	return results
}
