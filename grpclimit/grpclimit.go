package grpclimit

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice"
)

// Limiter decides calls; [*sluice.Limiter] is one. It is safe for concurrent use.
type Limiter interface {
	// Check asks for cost units for a key. An error means that nobody knows, except a [*sluice.InvalidError], which
	// means that the key or the cost is not legal.
	Check(ctx context.Context, key string, cost int64) (sluice.Decision, error)
}

// Config says how calls are limited. The zero Config limits, on a server, each client by its address and trusts no
// proxy, and in a client all calls of a connection together. Its functions are called concurrently.
type Config struct {
	// Key says who a call is from. Default: [ByIP] without trusted proxies on a server, [ByTarget] in a client.
	Key KeyFunc
	// AllowMissing lets calls that lack what Key asks for pass, without any limit. Default: false, they fail with
	// INVALID_ARGUMENT.
	AllowMissing bool
	// Cost returns the units that a call asks for, 0 to [sluice.MaxCount]; a call for which it returns any other number
	// fails with INVALID_ARGUMENT. Default: 1 for every call.
	Cost func(context.Context, Call) int64
	// PerMessage makes each message that a client sends in a stream ask for itself, in place of the stream as it begins;
	// a call that is no stream has one message. The first that is refused ends the stream. Default: false.
	PerMessage bool
	// OnError says what is done with a call when nobody knows whether it may pass, because the limiter or Key gave an
	// error: Allow passes it on, without metadata, Deny fails it with UNAVAILABLE, and so does Local, because a program alone
	// does not know of how many servers it is one. A call whose context has ended is never passed on: else whoever cancels
	// early enough would have no limit. Default: [sluice.Allow].
	OnError sluice.ErrorPolicy
	// Refuse returns the error of a refused call. Where OnError refused it, the decision's source is
	// [sluice.SourceErrorPolicy]. Where it returns nil, the call is refused as by default: that of [Refusal].
	Refuse func(context.Context, Call, sluice.Decision) error
	// Report is told of every error that kept a call from being decided, for a log or a metric. An error of Key that is
	// a [*MissingError] is told only where the call fails for it. Default: nobody is told.
	Report func(context.Context, Call, error)
}

// gate is what all interceptors ask.
type gate struct {
	limiter Limiter
	config  Config // with every default filled in
}

func newGate(limiter Limiter, config Config, key KeyFunc) *gate {
	if config.Key == nil {
		config.Key = key
	}
	if config.Cost == nil {
		config.Cost = func(context.Context, Call) int64 { return 1 }
	}
	if config.Refuse == nil {
		config.Refuse = func(context.Context, Call, sluice.Decision) error { return nil }
	}
	if config.Report == nil {
		config.Report = func(context.Context, Call, error) {}
	}
	return &gate{limiter: limiter, config: config}
}

// pass returns the metadata of the decision about a call, and the error that it fails with, or nil where it may pass.
func (g *gate) pass(ctx context.Context, c Call) (metadata.MD, error) {
	d, err := g.decide(ctx, c)
	if err != nil {
		var (
			missing *MissingError
			invalid *sluice.InvalidError
		)
		if errors.As(err, &missing) && g.config.AllowMissing {
			return nil, nil
		}
		g.config.Report(ctx, c, err)
		switch {
		case errors.As(err, &missing):
			return nil, status.Error(codes.InvalidArgument, missing.Error())
		case errors.As(err, &invalid):
			return nil, status.Error(codes.InvalidArgument, invalid.Error())
		case ctx.Err() != nil:
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		d = sluice.Decision{Allowed: g.config.OnError == sluice.Allow, Source: sluice.SourceErrorPolicy}
	}
	if !d.Allowed {
		if err = g.config.Refuse(ctx, c, d); err == nil {
			err = Refusal(d).Err()
		}
		return Metadata(d), err
	}
	return Metadata(d), nil
}

func (g *gate) decide(ctx context.Context, c Call) (sluice.Decision, error) {
	key, err := g.config.Key.find(ctx, c)
	if err != nil {
		return sluice.Decision{}, err
	}
	if len(key) > sluice.MaxKeyBytes {
		key = sluice.JoinKey(key)
	}
	return g.limiter.Check(ctx, key, g.config.Cost(ctx, c))
}

// Waiter waits until units are there; [*sluice.Limiter] is one. It is safe for concurrent use.
type Waiter interface {
	// Wait returns nil when cost units for a key were taken, and a [*sluice.RefusedError] where they cannot be in time.
	Wait(ctx context.Context, key string, cost int64) error
}

// Waiting returns a limiter that lets calls wait until they are admitted, first come first served for each key within the
// process. A call is refused where it would be admitted after its deadline only, or never. It is meant for clients that
// want to keep to a limit by themselves; on a server, calls that wait hold what they have. A call that passes has no
// metadata.
func Waiting(w Waiter) Limiter { return waiting{w} }

type waiting struct{ Waiter }

func (w waiting) Check(ctx context.Context, key string, cost int64) (sluice.Decision, error) {
	err := w.Wait(ctx, key, cost)
	var refused *sluice.RefusedError
	if errors.As(err, &refused) {
		return refused.Decision, nil
	}
	return sluice.Decision{Allowed: err == nil, Cost: cost}, err
}
