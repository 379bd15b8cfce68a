// Package sluice is rate limiting that any number of processes share: exact by default, with an embedded store for one
// machine and Redis, Sentinel or Cluster for many.
//
// A [Limit] is so many units per period, by one [Algorithm]. A [Policy] is a named list of limits that must all allow.
// A [Limiter] asks the policy of a [Store], for a key: a user, an address, a tenant, any bytes.
//
//	api, err := sluice.New(store, sluice.Policy{
//		Name:   "api",
//		Limits: []sluice.Limit{sluice.PerSecond(10).WithBurst(20), sluice.PerDay(10_000)},
//	})
//	d, err := api.Check(ctx, "user:42", 1)
//	if err == nil && !d.Allowed {
//		log.Printf("try again in %s", d.RetryAfter)
//	}
//
// A refusal is a [Decision], not an error, and it takes nothing from any limit. An error means that nobody knows: what
// to do then is the caller's choice, and whether something was charged is what [ErrUncertain] says.
//
// A key can be barred for a time ([Limiter.Block]), also by a [Penalty] where it is refused too often, and can be given
// limits of its own ([Limiter.Override]). That is decided in the same step as the limits; [Standing] says what is known of
// a key. A [Calendar] makes a limit that begins anew with each day, week or month of a time zone.
//
// Stores are in store/memstore (embedded) and store/redisstore (Redis 6.2 and newer, Valkey). The net/http middleware
// is in httplimit.
//
// This package decides nothing by itself and does no I/O: it imports the standard library only.
package sluice
