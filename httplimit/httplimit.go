package httplimit

import (
	"context"
	"errors"
	"net/http"

	"github.com/sluice-project/sluice"
)

// Limiter decides requests; [*sluice.Limiter] is one. It is safe for concurrent use.
type Limiter interface {
	// Check asks for cost units for a key. An error means that nobody knows, except a [*sluice.InvalidError], which
	// means that the key or the cost is not legal.
	Check(ctx context.Context, key string, cost int64) (sluice.Decision, error)
}

// Config says how requests are limited. The zero Config limits each client by its address and trusts no proxy. Its
// functions are called concurrently.
type Config struct {
	// Key says who a request is from. Default: [ByIP] without trusted proxies.
	Key KeyFunc
	// AllowMissing lets requests that lack what Key asks for pass, without any limit. Default: false, they are
	// answered 400.
	AllowMissing bool
	// Cost returns the units that a request asks for, 0 to [sluice.MaxCount]; a request for which it returns any other
	// number is answered 400. Default: 1 for every request.
	Cost func(*http.Request) int64
	// OnError says what is done with a request when nobody knows whether it may pass, because the limiter or Key gave
	// an error: Allow passes it on, without RateLimit header fields, Deny answers 503, and so does Local, because a program
	// alone does not know of how many servers it is one. A request whose context has ended is never passed on: else
	// whoever hangs up early enough would have no limit. Default: [sluice.Allow].
	OnError sluice.ErrorPolicy
	// Refuse writes the response to a refused request, after [AddHeaders] was called for the decision. Where OnError
	// refused it, the decision's source is [sluice.SourceErrorPolicy]. Default: the problem that [Refusal] returns.
	Refuse func(http.ResponseWriter, *http.Request, sluice.Decision)
	// Report is told of every error that kept a request from being decided, for a log or a metric. An error of Key that
	// is a [*MissingError] is told only where the request is refused for it. Default: nobody is told.
	Report func(*http.Request, error)
}

// New returns middleware that asks the limiter about each request, and passes on to the handler those that are allowed.
// Where several are nested, each adds its own header fields: their limits should have different names.
func New(limiter Limiter, config Config) func(http.Handler) http.Handler {
	if config.Key == nil {
		config.Key = ByIP()
	}
	if config.Cost == nil {
		config.Cost = func(*http.Request) int64 { return 1 }
	}
	if config.Refuse == nil {
		config.Refuse = func(w http.ResponseWriter, _ *http.Request, d sluice.Decision) { Refusal(d).Write(w) }
	}
	if config.Report == nil {
		config.Report = func(*http.Request, error) {}
	}
	return func(next http.Handler) http.Handler {
		return &handler{limiter: limiter, config: config, next: next}
	}
}

type handler struct {
	limiter Limiter
	config  Config // with every default filled in
	next    http.Handler
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d, err := h.decide(r)
	if err != nil {
		var (
			missing *MissingError
			invalid *sluice.InvalidError
		)
		if errors.As(err, &missing) && h.config.AllowMissing {
			h.next.ServeHTTP(w, r)
			return
		}
		h.config.Report(r, err)
		switch {
		case errors.As(err, &missing):
			statusProblem(http.StatusBadRequest, missing.Error()).Write(w)
			return
		case errors.As(err, &invalid):
			statusProblem(http.StatusBadRequest, invalid.Error()).Write(w)
			return
		}
		pass := h.config.OnError == sluice.Allow && r.Context().Err() == nil
		d = sluice.Decision{Allowed: pass, Source: sluice.SourceErrorPolicy}
	}
	AddHeaders(w.Header(), d)
	if !d.Allowed {
		h.config.Refuse(w, r, d)
		return
	}
	h.next.ServeHTTP(w, r)
}

func (h *handler) decide(r *http.Request) (sluice.Decision, error) {
	key, err := h.config.Key.find(r)
	if err != nil {
		return sluice.Decision{}, err
	}
	if len(key) > sluice.MaxKeyBytes {
		key = sluice.JoinKey(key)
	}
	return h.limiter.Check(r.Context(), key, h.config.Cost(r))
}
