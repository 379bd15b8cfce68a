// Package grpclimit is interceptors for gRPC that ask a limiter about each call before its handler sees it, or before it
// leaves the client.
//
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(grpclimit.UnaryServer(api, grpclimit.Config{Key: grpclimit.ByIP(trusted...)})),
//		grpc.ChainStreamInterceptor(grpclimit.StreamServer(api, grpclimit.Config{Key: grpclimit.ByIP(trusted...)})),
//	)
//
// It is package httplimit over another protocol: the same decisions, the same words, and the header fields
// RateLimit-Policy, RateLimit and Retry-After as response metadata; see [Metadata]. A refusal is RESOURCE_EXHAUSTED with
// the details RetryInfo and QuotaFailure; see [Refusal]. Where httplimit answers 400 it is INVALID_ARGUMENT, and where
// httplimit answers 503, UNAVAILABLE.
//
// Who a call is from is what a [KeyFunc] says. The address of a client comes from the metadata x-forwarded-for only as
// far as proxies that the caller trusts have written it; see [ByIP].
//
// The package decides nothing about limits and it never puts a key into a status or into metadata. It is a module of its
// own, so that who needs no gRPC compiles none; it imports gRPC, package sluice, and httplimit for what they share.
package grpclimit
