package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/redis/rueidis"
)

// reached says where the store is. That it was reached is why there is something to say.
func reached(_ context.Context, p *patient) Finding {
	by := "without TLS"
	if p.option.TLSConfig != nil {
		by = "by TLS"
	}
	switch {
	case p.onCluster() && len(p.silent) > 0:
		return well("a Cluster with %d masters that answer, %s; no answer from %s", len(p.masters), by, strings.Join(p.silent, ", ")).
			as(Failure, "bring these back, or let their replicas take over; the rest is about the masters that answer")
	case p.onCluster():
		return well("a Cluster with %d masters that answer, %s", len(p.masters), by)
	case p.unseen:
		return well("a node of a Cluster that is taken for a single server: %s", p.option.InitAddress[0]).as(Failure, mayAskForSlots)
	case p.behindSentinel():
		return well("the master %q behind Sentinel, %s", p.option.Sentinel.MasterSet, by)
	case strings.HasPrefix(p.option.InitAddress[0], "/"):
		return well("a single server at the socket %s", p.option.InitAddress[0])
	}
	return well("a single server at %s, %s", p.option.InitAddress[0], by)
}

// mayAskForSlots has a client see a Cluster.
const mayAskForSlots = "give the user +cluster|slots +cluster|shards (docs/redis-keys.md)"

// unreachable says why Redis could not be reached.
func unreachable(err error, option rueidis.ClientOption) Finding {
	found, remedy := explain(err, option)
	if option.TLSConfig != nil && isTimeout(err) && speaksPlainly(option.InitAddress[0]) { // it waits for the end of a line
		found, remedy = noTLS()
	}
	return well("%s", found).as(Failure, remedy)
}

func isTimeout(err error) bool {
	timeout := net.Error(nil)
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// speaksPlainly reports whether a server answers without TLS.
func speaksPlainly(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	answer := make([]byte, 1)
	if conn.SetDeadline(time.Now().Add(time.Second)) != nil {
		return false
	}
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, answer)
	return err == nil && (answer[0] == '+' || answer[0] == '-')
}

func noTLS() (found, remedy string) {
	return "it does not speak TLS", "write redis:// in the place of rediss://, or give the port of Redis's setting tls-port"
}

// explain says what an error of connecting means, and what to do.
func explain(err error, option rueidis.ClientOption) (found, remedy string) {
	if found, remedy := explainTLS(err, option.TLSConfig != nil); found != "" {
		return found, remedy
	}
	if found, remedy := explainRefusal(err.Error(), option); found != "" {
		return found, remedy
	}
	const address = "give the address where Redis listens"
	dns := (*net.DNSError)(nil)
	switch {
	case (rueidis.IsRedisNil(err) || strings.Contains(err.Error(), "No such master")) && option.Sentinel.MasterSet != "":
		return fmt.Sprintf("the Sentinel knows no master named %q", option.Sentinel.MasterSet),
			"give master_set the name that the Sentinel watches it by: SENTINEL MASTERS lists them"
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens there: %v", err), "start Redis there, or " + address + " (its settings bind and port)"
	case errors.As(err, &dns):
		return fmt.Sprintf("the name cannot be resolved: %v", err), "see that the host is spelled right and that the resolver of this machine knows it"
	case errors.Is(err, os.ErrNotExist):
		return fmt.Sprintf("there is no such socket: %v", err), "give the path of Redis's setting unixsocket, or start Redis"
	case errors.Is(err, os.ErrPermission):
		return fmt.Sprintf("the socket may not be opened: %v", err), "add this user to the group of the socket, or set unixsocketperm"
	case isTimeout(err):
		return fmt.Sprintf("nothing answers there in time: %v", err), address + ", see that it is not frozen, and that no firewall is in between"
	}
	return err.Error(), "see that a Redis is there, and what its log says"
}

const clientCertificate = "where it wants a client certificate (tls-auth-clients), give one: ?cert_file=/path/client.crt&key_file=/path/client.key behind the URL"

// explainTLS says what is wrong with TLS, "" where nothing is.
func explainTLS(err error, asked bool) (found, remedy string) {
	authority, host, invalid, record, alert := x509.UnknownAuthorityError{}, x509.HostnameError{}, x509.CertificateInvalidError{}, tls.RecordHeaderError{}, tls.AlertError(0)
	switch {
	case errors.As(err, &authority):
		return fmt.Sprintf("its certificate is signed by an authority that is not trusted here: %v", err),
			"give the authority's certificate: ?ca_file=/path/ca.pem behind the URL"
	case errors.As(err, &host):
		return fmt.Sprintf("its certificate is for another host: %v", err), "give the host by a name that is in the certificate, or have one made for this host"
	case errors.As(err, &invalid):
		return fmt.Sprintf("its certificate is not valid: %v", err), "renew the certificate, and see that the clock of this machine is right"
	case errors.As(err, &record):
		return noTLS()
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		return fmt.Sprintf("it ends the TLS handshake: %v", err),
			clientCertificate
	case asked && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return "it closed the connection in the TLS handshake", "see that this port speaks TLS (tls-port); " + clientCertificate
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		return "it closed the connection without an answer", "where this port speaks TLS (tls-port), write rediss:// in the place of redis://"
	}
	return "", ""
}

// refusals are how Redis may refuse a new connection.
var refusals = []struct{ begins, found, remedy string }{
	{"WRONGPASS", "it refuses the user or the password", "give those of an ACL user, as in redis://user:password@host:6379"},
	{"ERR invalid password", "it refuses the password", "give that of Redis's setting requirepass, as in redis://:password@host:6379"},
	{"invalid password", "it refuses the password", "give that of Redis's setting requirepass, as in redis://:password@host:6379"},
	{"NOAUTH", "it wants a password, and the URL has none", "give one, as in redis://user:password@host:6379"},
	{"AUTH <password> called", "it has no password, and the URL gives one", "leave the password out of the URL, or set one: requirepass, or ACL SETUSER"},
	{"'cluster", "the user may not ask which node has which slots", mayAskForSlots},
	{"NOPERM", "the user may do next to nothing", "give it the permissions that docs/redis-keys.md lists"},
	{"DENIED", "it is in protected mode, which takes connections from its own machine only", "set a password or an ACL user, and bind"},
	{"max number of clients", "it has as many connections as it takes", "raise its setting maxclients, or find who leaves connections open: CLIENT LIST"},
	{"LOADING", "it is still loading its data", "wait until it has, and look again"},
	{"MASTERDOWN", "it is a replica without its master", "give the address of the master"},
	{"CLUSTERDOWN", "the Cluster is down", "see CLUSTER INFO: slots without a node, or too few masters"},
}

func explainRefusal(text string, option rueidis.ClientOption) (found, remedy string) {
	for _, r := range refusals {
		if !strings.Contains(text, r.begins) {
			continue
		}
		if option.Sentinel.MasterSet != "" {
			return r.found + " (or its Sentinel does)", r.remedy + "; those for Sentinel itself go into sentinel_username and sentinel_password"
		}
		return r.found, r.remedy
	}
	return "", ""
}
