package httplimit

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func forwarded(peer string, lines ...string) *http.Request {
	return &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": lines}}
}

func TestClientAddr(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		trusted string
		peer    string
		lines   []string
		want    string // "" for no address
	}{
		{"nobody trusted", "", "192.0.2.1:4711", []string{"198.51.100.1"}, "192.0.2.1"},
		{"peer not trusted", "10.0.0.0/8", "192.0.2.1:4711", []string{"198.51.100.1"}, "192.0.2.1"},
		{"trusted peer without header", "10.0.0.0/8", "10.0.0.1:4711", nil, "10.0.0.1"},
		{"one proxy", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1"}, "198.51.100.1"},
		{"client forges the left", "10.0.0.0/8", "10.0.0.1:4711", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"client forges a trusted address", "10.0.0.0/8", "10.0.0.1:4711", []string{"10.9.9.9,198.51.100.1"}, "198.51.100.1"},
		{"client forges a line", "10.0.0.0/8", "10.0.0.1:4711", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"two proxies, a line each", "10.0.0.0/8", "10.0.0.1:4711", []string{"203.0.113.9,198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"all trusted", "10.0.0.0/8", "10.0.0.1:4711", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"second prefix", "10.0.0.0/8,2001:db8:ffff::/48", "[2001:db8:ffff::1]:4711", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},

		{"malformed beside the peer", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"malformed behind a proxy", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1, _hidden, 10.0.0.2"}, "10.0.0.2"},
		{"malformed beyond the client", "10.0.0.0/8", "10.0.0.1:4711", []string{"x\x00y, 198.51.100.1"}, "198.51.100.1"},
		{"empty element", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1,"}, "10.0.0.1"},
		{"empty line", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1", ""}, "10.0.0.1"},
		{"leading zeros", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.051.100.001"}, "10.0.0.1"},
		{"inner space", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1 10.0.0.2"}, "10.0.0.1"},
		{"tabs and spaces", "10.0.0.0/8", "10.0.0.1:4711", []string{"203.0.113.9,\t 198.51.100.1 \t"}, "198.51.100.1"},

		{"port", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1:5678"}, "198.51.100.1"},
		{"trusted with port", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1, 10.0.0.2:80"}, "198.51.100.1"},
		{"port out of range", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1:65536"}, "10.0.0.1"},
		{"IPv6", "10.0.0.0/8", "10.0.0.1:4711", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6 in brackets", "10.0.0.0/8", "10.0.0.1:4711", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 with port", "10.0.0.0/8", "10.0.0.1:4711", []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		{"open bracket", "10.0.0.0/8", "10.0.0.1:4711", []string{"[2001:db8::1"}, "10.0.0.1"},
		{"brackets around nothing", "10.0.0.0/8", "10.0.0.1:4711", []string{"[]"}, "10.0.0.1"},

		{"mapped peer", "10.0.0.0/8", "[::ffff:10.0.0.1]:4711", []string{"198.51.100.1"}, "198.51.100.1"},
		{"mapped element", "10.0.0.0/8", "10.0.0.1:4711", []string{"198.51.100.1, ::ffff:10.0.0.2"}, "198.51.100.1"},
		{"mapped client", "10.0.0.0/8", "10.0.0.1:4711", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"mapped prefix", "::ffff:10.0.0.0/104", "10.0.0.1:4711", []string{"198.51.100.1, 11.0.0.1"}, "11.0.0.1"},
		{"an IPv6 prefix trusts no IPv4", "::/0", "10.0.0.1:4711", []string{"198.51.100.1"}, "10.0.0.1"},

		{"zone of the peer", "fe80::/10", "[fe80::1%eth0]:4711", []string{"198.51.100.1"}, "198.51.100.1"},
		{"zone of the client", "10.0.0.0/8", "10.0.0.1:4711", []string{"fe80::1%made-up"}, "fe80::1"},

		{"peer without port", "10.0.0.0/8", "10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"Unix socket", "10.0.0.0/8", "@", []string{"198.51.100.1"}, ""},
		{"everybody trusted, Unix socket", "0.0.0.0/0,::/0", "", []string{"198.51.100.1"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var trusted []netip.Prefix
			if test.trusted != "" {
				trusted = prefixes(strings.Split(test.trusted, ",")...)
			}
			var want netip.Addr
			if test.want != "" {
				want = netip.MustParseAddr(test.want)
			}
			if got := ClientAddr(forwarded(test.peer, test.lines...), trusted); got != want {
				t.Errorf("ClientAddr(peer %q, %q) = %v, want %v", test.peer, test.lines, got, want)
			}
		})
	}
}

// slowClientAddr is the walk in the plainest words: join, split, and step left while what was read last is trusted.
func slowClientAddr(peer string, trusted []netip.Prefix, lines []string) netip.Addr {
	list := strings.Split(strings.Join(lines, ","), ",")
	if len(lines) == 0 {
		list = nil
	}
	slices.Reverse(list)
	client := slowAddr(peer)
	for _, element := range list {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(client) }) {
			return client
		}
		addr := slowAddr(strings.Trim(element, " \t"))
		if !addr.IsValid() {
			return client
		}
		client = addr
	}
	return client
}

func slowAddr(s string) netip.Addr {
	if pair, err := netip.ParseAddrPort(s); err == nil {
		return pair.Addr().WithZone("").Unmap()
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr.WithZone("").Unmap()
}

func FuzzClientAddr(f *testing.F) {
	f.Add("10.0.0.1:4711", "203.0.113.9, 198.51.100.1", "10.0.0.2")
	f.Add("10.0.0.1:4711", "[2001:db8::1]:80", "::ffff:10.0.0.2")
	f.Add("[fe80::1%eth0]:1", "fe80::2%x, ,", "unknown")
	f.Add("192.0.2.1:1", "[", "]:,[]")
	f.Add("@", "", "")
	trusted := prefixes("10.0.0.0/8", "fe80::/10", "2001:db8:ffff::/48")
	f.Fuzz(func(t *testing.T, peer, line1, line2 string) {
		got := ClientAddr(forwarded(peer, line1, line2), trusted)
		if want := slowClientAddr(peer, trusted, []string{line1, line2}); got != want {
			t.Fatalf("ClientAddr = %v, want %v", got, want)
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Errorf("ClientAddr = %v, want no zone and no IPv4 in IPv6 form", got)
		}
		if isTrusted(got, trusted) || !got.IsValid() {
			return
		}
		// What an untrusted client writes itself ends up left of its address, and changes nothing.
		if forged := ClientAddr(forwarded(peer, "10.0.0.7, 203.0.113.9", line1, line2), trusted); forged != got {
			t.Errorf("with forged addresses on the left ClientAddr = %v, want %v", forged, got)
		}
		// Another trusted proxy in between changes nothing either.
		if relayed := ClientAddr(forwarded("10.0.0.3:80", line1, line2, slowAddr(peer).String()), trusted); relayed != got {
			t.Errorf("behind one more proxy ClientAddr = %v, want %v", relayed, got)
		}
	})
}
