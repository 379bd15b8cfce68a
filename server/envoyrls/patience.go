package envoyrls

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

const (
	// receiveTime is how long a call may take to arrive and be answered: one that never ends holds what has come of it.
	receiveTime = 15 * time.Second
	// defaultWatchTime is how long somebody may watch the health where nobody says how long a connection may be idle: one
	// on which somebody watches counts as busy, and would never end.
	defaultWatchTime = 10 * time.Minute
)

// errWatched ends a watch. Whoever watches takes every code but Unimplemented as a reason to begin anew.
var errWatched = status.Error(codes.Unavailable, "a watch has an end, so that connections without a caller have one; watch again")

// tapped gives every call its time, from when its header has come, and tells its connection that it is one.
func tapped(ctx context.Context, info *tap.Info) (context.Context, error) {
	if from, ok := peer.FromContext(ctx); ok {
		if metered, ok := from.AuthInfo.(meteredInfo); ok {
			metered.conn.begun()
		}
	}
	if info.FullMethodName == healthpb.Health_Watch_FullMethodName {
		return watching(ctx), nil
	}
	if until, ok := ctx.Deadline(); ok && time.Until(until) <= receiveTime {
		return ctx, nil
	}
	ctx, cancel := context.WithTimeout(ctx, receiveTime)
	_ = cancel // the stream ends its own context, and this one with it
	return ctx, nil
}

// timerKey is where the context of a watch has its timer.
type timerKey struct{}

// watching returns the context of a watch. It has the time of every call until prolong is called.
func watching(ctx context.Context) context.Context {
	ctx, end := context.WithCancelCause(ctx)
	timer := time.AfterFunc(receiveTime, func() { end(errWatched) })
	context.AfterFunc(ctx, func() { timer.Stop() }) // else a timer would outlast its stream
	return context.WithValue(ctx, timerKey{}, timer)
}

// prolong lets a watch last for so long from now on.
func prolong(ctx context.Context, d time.Duration) {
	if timer, ok := ctx.Value(timerKey{}).(*time.Timer); ok && timer.Stop() {
		timer.Reset(d)
	}
}
