package httplimit

import (
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientAddr returns the address of the client that sent a request, as far as it can be trusted. That is the peer's, the
// one of the connection, unless the peer is one of the trusted proxies. Then it is the rightmost address of
// X-Forwarded-For that is not trusted: each proxy appends the address that it was asked from, so whatever stands left
// of that was written by the client itself. All lines of the header are read as one list. Where all addresses are
// trusted it is the leftmost. An element that is no address, or is empty, ends the walk: the answer is the trusted proxy
// that wrote it. Elements may have ports, as in "192.0.2.1:4711" and "[2001:db8::1]:4711".
//
// The address has no zone, and an IPv4 address in IPv6 form is an IPv4 address, here as in the trusted prefixes. It is the
// zero Addr where the peer has none, as on a Unix socket: such a peer is not trusted.
//
// Forwarded (RFC 7239) is not read. A proxy maintains one of the two fields and passes the other on as the client wrote
// it, so reading both would let the client choose the one that is believed. X-Forwarded-For is the one that proxies
// write unless told otherwise; behind one that maintains Forwarded alone, write a [KeyFunc] that reads it.
func ClientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	client, _ := parseAddr(r.RemoteAddr)
	for element := range fromRight(r.Header["X-Forwarded-For"]) {
		if !isTrusted(client, trusted) {
			break
		}
		addr, ok := parseAddr(element)
		if !ok {
			break
		}
		client = addr
	}
	return client
}

// fromRight yields the elements of a list header from the last to the first. It splits no more than is asked for, because
// a client can send very many commas.
func fromRight(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range slices.Backward(lines) {
			for comma := len(line); comma >= 0; {
				line = line[:comma]
				comma = strings.LastIndexByte(line, ',')
				if !yield(strings.Trim(line[comma+1:], " \t")) {
					return
				}
			}
		}
	}
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(addr) || p.Addr().Is4In6() && addr.Is4() && p.Contains(netip.AddrFrom16(addr.As16())) {
			return true
		}
	}
	return false
}

// parseAddr reads an address in the forms that proxies write: with or without a port, an IPv6 address with or without
// brackets.
func parseAddr(s string) (addr netip.Addr, ok bool) {
	bare := s
	if inner, found := strings.CutPrefix(s, "["); found && strings.HasSuffix(s, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(bare)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), true
}
