package httplimit

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/sluice-project/sluice"
)

// KeyFunc returns who a request is from: the key that it is limited under, any bytes. A key that is longer than
// [sluice.MaxKeyBytes] is limited under its hash, the one that [sluice.JoinKey] makes of it. A request that lacks what
// the key is made of is a [*MissingError], or an empty key and no error. Every other error means that nobody knows, and
// [Config].OnError says what is done. A KeyFunc is safe for concurrent use.
//
// Whoever can choose a part of his key has a budget for each value of it. A header, a cookie, a path or a method makes a
// limit that cannot be dodged only where something in front of the middleware has refused all values but the right one.
type KeyFunc func(*http.Request) (string, error)

// MissingError says that a request lacks what its key is made of.
type MissingError struct {
	// What is lacking, such as "header X-API-Key".
	What string
}

func (e *MissingError) Error() string {
	return "the request has no " + e.What + ", which says who is limited"
}

// find is the function itself, with an empty key as the error that it stands for.
func (f KeyFunc) find(r *http.Request) (string, error) {
	key, err := f(r)
	if err == nil && key == "" {
		err = &MissingError{What: "key"}
	}
	return key, err
}

// ByIP returns the key function of a client's address, which is that of [ClientAddr] behind the trusted proxies. An IPv4
// address is a key of its own, such as "192.0.2.1". IPv6 addresses share a key, such as "2001:db8::/64", where they share
// their first 64 bits, because that many addresses is what one customer is given: see [ByIPv6Prefix] for another
// number of bits. A request that came without an address, as over a Unix socket, lacks the key.
func ByIP(trusted ...netip.Prefix) KeyFunc { return ByIPv6Prefix(64, trusted...) }

// ByIPv6Prefix is [ByIP], but IPv6 addresses share a key where they share their first so many bits: 1 to 128, which is
// each address by itself. Any other number of bits means 64.
func ByIPv6Prefix(bits int, trusted ...netip.Prefix) KeyFunc {
	trusted = slices.Clone(trusted)
	if bits < 1 || bits > 128 {
		bits = 64
	}
	return func(r *http.Request) (string, error) {
		addr := ClientAddr(r, trusted)
		switch {
		case !addr.IsValid():
			return "", &MissingError{What: "client address"}
		case addr.Is4():
			return addr.String(), nil
		}
		return netip.PrefixFrom(addr, bits).Masked().String(), nil
	}
}

// ByHeader returns the key function of a header field's value: that of the first line where there are several, the one
// that [http.Header.Get] returns. An empty value is missing.
func ByHeader(name string) KeyFunc {
	if http.CanonicalHeaderKey(name) == "Host" { // net/http keeps it apart from the header
		return func(r *http.Request) (string, error) { return present(r.Host, "header Host") }
	}
	what := "header " + name
	return func(r *http.Request) (string, error) { return present(r.Header.Get(name), what) }
}

// ByCookie returns the key function of a cookie's value: that of the first where there are several of the name. An empty
// value is missing.
func ByCookie(name string) KeyFunc {
	what := "cookie " + name
	return func(r *http.Request) (string, error) {
		cookie, err := r.Cookie(name)
		if err != nil {
			return "", &MissingError{What: what}
		}
		return present(cookie.Value, what)
	}
}

// ByPath returns the key function of the path, unescaped, without the query: "/a b" for "/a%20b?c". It is not cleaned:
// "/a" and "/a/" are two keys. It is never missing: no path is "/".
func ByPath() KeyFunc {
	return func(r *http.Request) (string, error) {
		if r.URL.Path == "" {
			return "/", nil
		}
		return r.URL.Path, nil
	}
}

// ByMethod returns the key function of the method, such as "GET". Any token is a method.
func ByMethod() KeyFunc {
	return func(r *http.Request) (string, error) { return r.Method, nil }
}

// Join returns the key function of several keys together, such as an address and a path: [sluice.JoinKey] of them in
// their order, so that different parts never make the same key. Where one part fails, so does the whole, with the error
// of the first that did. Join of nothing is always missing.
func Join(keys ...KeyFunc) KeyFunc {
	keys = slices.Clone(keys)
	return func(r *http.Request) (string, error) {
		parts := make([]string, len(keys))
		for i, key := range keys {
			part, err := key.find(r)
			if err != nil {
				return "", err
			}
			parts[i] = part
		}
		return sluice.JoinKey(parts...), nil
	}
}

func present(value, what string) (string, error) {
	if value == "" {
		return "", &MissingError{What: what}
	}
	return value, nil
}
