// Package httplimit is net/http middleware that asks a limiter about each request before the handler sees it.
//
//	limit := httplimit.New(api, httplimit.Config{Key: httplimit.ByIP(trusted...), OnError: sluice.Allow})
//	http.Handle("/", limit(next))
//
// Every response that a decision was made for carries RateLimit-Policy and RateLimit, as in
// draft-ietf-httpapi-ratelimit-headers-11; see [AddHeaders]. A refusal is answered 429 with Retry-After and a problem
// body (RFC 9457), whether limits refused or a block bars the key; see [Refusal].
//
// Who a request is from is what a [KeyFunc] says. The address of a client comes from X-Forwarded-For only as far as
// proxies that the caller trusts have written it; see [ClientAddr].
//
// The package decides nothing about limits and it never puts a key into a response, an error or a header field. It
// imports the standard library and package sluice only.
package httplimit
