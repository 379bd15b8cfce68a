package filesource

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-project/sluice"
)

// scalar returns the read function of a field whose value is one text, number, true or false.
func scalar[S, T any](parse func(string) (T, error), field func(*S) *T) func(*reader, value, *S) {
	return func(r *reader, v value, into *S) {
		if t, ok := parsed(r, v, parse); ok {
			*field(into) = t
		}
	}
}

// parsed reads a value that is one text, number, true or false. What is none, or does not parse, is a fault.
func parsed[T any](r *reader, v value, parse func(string) (T, error)) (t T, ok bool) {
	text, ok := r.text(v)
	if !ok {
		return t, false
	}
	t, err := parse(text)
	if err != nil {
		r.fault(v.at, v.path, "%v", err)
	}
	return t, err == nil
}

func parseBool(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("it is %.64q; it must be true or false", text)
}

// oneOf returns the parse function of a field that is one of a few words.
func oneOf[T fmt.Stringer](all ...T) func(string) (T, error) {
	return func(text string) (none T, _ error) {
		words := make([]string, len(all))
		for i, t := range all {
			if words[i] = t.String(); words[i] == text {
				return t, nil
			}
		}
		return none, fmt.Errorf("it is %.64q; it must be %s", text, strings.Join(words, " or "))
	}
}

func parseDuration(text string) (time.Duration, error) {
	d, err := sluice.ParseDuration(text)
	return d, bareProblem(err)
}

// parsePositive reads a duration where none would mean another thing than 0s.
func parsePositive(text string) (time.Duration, error) {
	d, err := parseDuration(text)
	if err == nil && d == 0 {
		err = fmt.Errorf("it is %s; it must be 1ms to 366d", d)
	}
	return d, err
}

func parseTimeout(text string) (time.Duration, error) {
	d, err := parseDuration(text)
	if err == nil && (d < time.Millisecond || d > 10*time.Second) {
		err = fmt.Errorf("it is %s; it must be 1ms to 10s", d)
	}
	return d, err
}

// parseIdle reads how long nothing may happen.
func parseIdle(text string) (time.Duration, error) {
	d, err := parseDuration(text)
	if err == nil && d < time.Second {
		err = fmt.Errorf("it is %s; it must be 1s to 366d", d)
	}
	return d, err
}

// parseConnections reads how many connections there may be.
func parseConnections(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, fmt.Errorf("it is %.64q; it must be a whole number from 1 to 1000000", text)
	}
	return n, nil
}

// parseAddress reads HOST:PORT. No host means every address of the machine, port 0 any port that is free.
func parseAddress(text string) (string, error) {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf(`%.64q is no address to listen on; write HOST:PORT, as in "127.0.0.1:8080", "[::1]:8080" or ":8080" for every address`, text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("the port %.16q of %.64q is none; it must be 0 to 65535", port, text)
	}
	return text, nil
}

// parseSocket reads HOST:PORT, or unix:PATH.
func parseSocket(text string) (string, error) {
	if path, unix := strings.CutPrefix(text, "unix:"); unix && path != "" {
		return text, nil
	}
	return parseAddress(text)
}

// parseRatio reads a part of a whole.
func parseRatio(text string) (float64, error) {
	ratio, err := strconv.ParseFloat(text, 64)
	if err != nil || !(ratio > 0 && ratio <= 1) {
		return 0, fmt.Errorf("it is %.64q; it must be a number of more than 0 and at most 1, such as 0.8", text)
	}
	return ratio, nil
}

// parseHeader reads the name of a header field.
func parseHeader(text string) (string, error) {
	strange := func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", c))
	}
	if text == "" || strings.ContainsFunc(text, strange) {
		return "", fmt.Errorf("%.64q is no name of a header field; write letters, digits and dashes", text)
	}
	return text, nil
}

// parseRESP reads the address of a door that can be shut.
func parseRESP(text string) (string, error) {
	if text == Off {
		return text, nil
	}
	_, err := parseAddress(text)
	if err != nil {
		err = fmt.Errorf("%w; or write off", err)
	}
	return text, err
}

// parsePassword reads a password. Its error does not say it.
func parsePassword(text string) (string, error) {
	if text == "" || len(text) > 512 {
		return "", fmt.Errorf("it has %d bytes; it must have 1 to 512", len(text))
	}
	return text, nil
}

func readListen(r *reader, v value, f *File) {
	var given Listen
	fields(r, v, listenSettings, &given)
	if given.HTTP != "" && given.HTTP == given.Admin && !strings.HasSuffix(given.HTTP, ":0") {
		r.fault(v.at, v.path, "http and admin are the same address; take admin out to serve both there")
	}
	f.Listen = Listen{
		HTTP: cmp.Or(given.HTTP, f.Listen.HTTP), Admin: cmp.Or(given.Admin, f.Listen.Admin),
		GRPC: cmp.Or(given.GRPC, f.Listen.GRPC), GRPCTLS: given.GRPCTLS,
		RESP: given.RESP, RESPPassword: given.RESPPassword, RESPTLS: given.RESPTLS,
		HTTPTLS: given.HTTPTLS, AdminTLS: given.AdminTLS,
		MaxConnections: cmp.Or(given.MaxConnections, f.Listen.MaxConnections), IdleTime: cmp.Or(given.IdleTime, f.Listen.IdleTime),
	}
}

// storeSchemes are the schemes of the URLs that the Redis store takes.
var storeSchemes = []string{"redis", "rediss", "valkey", "valkeys", "unix"}

// parseStore reads where the counters are. Its errors say nothing of the text, which may hold a password.
func parseStore(text string) (string, error) {
	if text == "memory" {
		return text, nil
	}
	scheme, _, found := strings.Cut(text, "://")
	if !found || !slices.Contains(storeSchemes, scheme) {
		return "", errors.New(`it must be "memory" or a URL that begins with redis://, rediss:// or unix://, as in redis://user:password@host:6379/0`)
	}
	if _, err := url.Parse(text); err != nil {
		return "", errors.New("it is no URL that can be read; in user name and password write characters other than letters, digits and -._~ as % and two hexadecimal digits")
	}
	return text, nil
}

// parseWhole reads a whole number, with or without a sign.
func parseWhole(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("it is %.64q; it must be a whole number, at most %d", text, int64(sluice.MaxCount))
	}
	return n, nil
}

// parseBound reads a whole number where none would mean another thing than 0.
func parseBound(text string) (int64, error) {
	n, err := parseWhole(text)
	if err == nil && n == 0 {
		err = fmt.Errorf("it is 0; it must be 1 to %d, or left out", int64(sluice.MaxCount))
	}
	return n, err
}

func parseMaxKeys(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000_000 {
		return 0, fmt.Errorf("it is %.64q; it must be a whole number from 1 to 1000000000", text)
	}
	return n, nil
}

func parseKeyPrefix(text string) (string, error) {
	strange := func(c rune) bool { return c <= ' ' || c > '~' || c == '{' || c == '}' }
	if len(text) < 1 || len(text) > 64 || strings.ContainsFunc(text, strange) {
		return "", fmt.Errorf("it is %.64q; it must be 1 to 64 printable characters without spaces and braces", text)
	}
	return text, nil
}

// parseNetwork reads ADDRESS/BITS, such as 10.0.0.0/8.
func parseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			return network, fmt.Errorf("%q is an address; for this one alone write %s", text, netip.PrefixFrom(a, a.BitLen()))
		}
		return network, fmt.Errorf(`%.64q is no network; write ADDRESS/BITS, as in "10.0.0.0/8" or "fd00::/8"`, text)
	}
	if network.Addr().Is4In6() {
		return network, fmt.Errorf("%s writes IPv4 as IPv6, which no client's address will match; write it as IPv4", network)
	}
	if network != network.Masked() {
		return network, fmt.Errorf("%s has more bits than its network; write %s", network, network.Masked())
	}
	return network, nil
}

func readProxies(r *reader, v value, f *File) {
	networks := []netip.Prefix{}
	for _, item := range r.items(v) {
		if network, ok := parsed(r, item, parseNetwork); ok {
			networks = append(networks, network)
		}
	}
	f.TrustedProxies = networks
}
