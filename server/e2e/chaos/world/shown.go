//go:build unix

package world

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-project/sluice/server/e2e/chaos/record"
)

// What is seen of a server's secrets is seen by bare connections that are made for it, so that no client has anything left of
// before. The question is a check, of a key that nobody else asks about.
const (
	probePolicy = "cold"
	probeKey    = "probe"
	probeDomain = "chaos"
	probeLimit  = "envoy.bucket"
)

// moment is how long such a question may take.
const moment = 2 * time.Second

// note notes what was seen.
func (s *Secrets) note(shown record.Shown, begun time.Time) {
	shown.Server, shown.Asked, shown.Took = s.server, begun.UnixNano(), int64(time.Since(begun))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, shown)
}

// ShowsCertificate connects to every door and reports whether all show the certificate of a number.
func (s *Server) ShowsCertificate(number int) bool {
	all := true
	for i, addr := range []string{s.HTTP, s.GRPC, s.RESP} {
		begun := time.Now()
		conn, err := s.dial(addr, "h2")
		if err != nil {
			all = false
			continue
		}
		serial := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
		_ = conn.Close() // nothing was asked
		shown := int(serial) - int(serialOf(0).Int64())
		s.secrets.note(record.Shown{Kind: record.Certificate, Number: shown, Way: record.Ways[i], Counts: true}, begun)
		all = all && shown == number
	}
	return all
}

func (s *Server) dial(addr string, protocols ...string) (*tls.Conn, error) {
	config := s.TLS()
	config.NextProtos = protocols
	if addr == s.RESP {
		config.NextProtos = nil
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: moment}, "tcp", addr, config)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(moment))
}

// TakesToken shows a token at every door and reports whether each lets it in or, where that is not wanted, refuses it.
func (s *Server) TakesToken(number int, want bool) bool {
	token, all := s.secrets.token(number), true
	for i, ask := range []func(string) (bool, error){s.asksHTTP, s.asksGRPC, s.asksRESP} {
		begun := time.Now()
		counts, err := ask(token)
		if err == nil {
			s.secrets.note(record.Shown{Kind: record.Token, Number: number, Way: record.Ways[i], Counts: counts}, begun)
		}
		all = all && err == nil && counts == want
	}
	return all
}

func (s *Server) asksHTTP(token string) (bool, error) {
	body := fmt.Sprintf(`{"policy":%q,"key":%q}`, probePolicy, probeKey)
	response, err := s.post(s.URL("/v1/check"), "application/json", token, []byte(body), false)
	if err != nil {
		return false, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, nil
	}
	return false, fmt.Errorf("/v1/check: %s", response.Status)
}

// asksGRPC asks as a client of gRPC would: a message is a byte, its length, and what it holds.
func (s *Server) asksGRPC(token string) (bool, error) {
	entry := append(field(1, []byte(probeLimit)), field(2, []byte(probeKey))...)
	message := append(field(1, []byte(probeDomain)), field(2, field(1, entry))...)
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	response, err := s.post("https://"+s.GRPC+"/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit", "application/grpc", token, frame, true)
	if err != nil {
		return false, err
	}
	status := response.Trailer.Get("Grpc-Status")
	if status == "" {
		status = response.Header.Get("Grpc-Status") // where there is nothing but an error
	}
	switch status {
	case "0":
		return true, nil
	case "7", "16": // permission denied, unauthenticated
		return false, nil
	}
	return false, fmt.Errorf("gRPC: %s, status %q", response.Status, status)
}

// field is a field of a message of protobuf that has fewer than 128 bytes.
func field(number int, data []byte) []byte {
	return append([]byte{byte(number<<3 | 2), byte(len(data))}, data...)
}

// post asks by a connection of its own. Nothing of the answer is left to read but its trailer.
func (s *Server) post(url, kind, token string, body []byte, http2 bool) (*http.Response, error) {
	// A connection of HTTP/2 may not be done with its stream yet when the answer has been read: then it is closed later.
	transport := &http.Transport{TLSClientConfig: s.TLS(), ForceAttemptHTTP2: http2, DisableKeepAlives: !http2, IdleConnTimeout: moment}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Te", "trailers")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Client{Transport: transport, Timeout: moment}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body) // the trailer is behind it
	return response, err
}

func (s *Server) asksRESP(token string) (bool, error) {
	conn, err := s.dial(s.RESP)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	r := &redisConn{conn, bufio.NewReader(conn)}
	if counts, err := r.says("AUTH " + token); err != nil || !counts {
		return false, err
	}
	return r.asks()
}

// redisConn is a bare connection of the Redis protocol.
type redisConn struct {
	net.Conn
	read *bufio.Reader
}

// says sends a command and reports whether it was not refused for want of a token. It reads a line of the answer.
func (r *redisConn) says(command string) (bool, error) {
	if _, err := io.WriteString(r, command+"\r\n"); err != nil {
		return false, err
	}
	line, err := r.read.ReadString('\n')
	if err != nil {
		return false, err
	}
	for _, refusal := range []string{"-NOAUTH", "-WRONGPASS", "-NOPERM"} {
		if strings.HasPrefix(line, refusal) {
			return false, nil
		}
	}
	if strings.HasPrefix(line, "-") {
		return false, fmt.Errorf("%s: %s", command[:4], line)
	}
	return true, nil
}

// asks is the last question of a connection, whose answer has more than a line.
func (r *redisConn) asks() (bool, error) { return r.says("SL.CHECK " + probePolicy + " " + probeKey) }

// Held is a connection of a client of Redis that has shown a token.
type Held struct {
	server *Server
	number int
	redisConn
}

// Hold shows a token and keeps the connection.
func (s *Server) Hold(number int) (*Held, error) {
	conn, err := s.dial(s.RESP)
	if err != nil {
		return nil, err
	}
	h := &Held{s, number, redisConn{conn, bufio.NewReader(conn)}}
	if counts, err := h.says("AUTH " + s.secrets.token(number)); err != nil || !counts {
		_ = conn.Close() // it is of no use
		return nil, fmt.Errorf("AUTH: let in: %v, %w", counts, err)
	}
	return h, nil
}

// Refused asks whether the server is alive, which needs the token, and reports whether it was refused.
func (h *Held) Refused() bool {
	begun := time.Now()
	if err := h.SetDeadline(begun.Add(moment)); err != nil {
		return false
	}
	counts, err := h.says("PING")
	if err == nil {
		h.server.secrets.note(record.Shown{Kind: record.Token, Number: h.number, Way: record.Held, Counts: counts}, begun)
	}
	return err == nil && !counts
}
