package server

import (
	"context"
	"sync"

	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/access"
)

// openTokens returns the tokens of the configuration; nil where it has none.
func openTokens(settings *filesource.File) (*access.Book, error) {
	if err := validateAccess(settings); err != nil || settings.Admin.TokensFile == "" {
		return nil, err
	}
	return access.Open(settings.Admin.TokensFile)
}

// watchAccess takes over what the files of tokens and certificates say, until ctx ends.
func (s *Server) watchAccess(ctx context.Context, group *sync.WaitGroup) {
	if s.tokens != nil {
		group.Go(func() { s.watchTokens(ctx) })
	}
	all := []*certificates{s.resp.certs}
	if s.envoy != nil {
		all = append(all, s.envoy.certs)
	}
	for _, d := range s.doors {
		all = append(all, d.certs)
		if (d.serves.Admin || s.started.Admin.ChecksRequireToken) && !d.serves.Loopback && d.certs == nil {
			s.logger.Warn("tokens that are sent to this address can be read on their way, because it has no TLS: give it some, or have what is in front of it speak TLS",
				"setting", d.setting, "address", d.net.Addr().String())
		}
	}
	for _, c := range all {
		if c != nil {
			group.Go(func() { s.watchCertificates(ctx, c) })
		}
	}
}

// watchTokens takes over what their file says, until ctx ends.
func (s *Server) watchTokens(ctx context.Context) {
	first := true
	s.tokens.Watch(ctx, func(n int) {
		if !first { // else they are those of the start
			s.logger.Info("tokens loaded", "file", s.started.Admin.TokensFile, "tokens", n)
		}
		first = false
	}, func(err error) {
		s.logger.Error("the tokens are refused, those before stay in force", "file", s.started.Admin.TokensFile, "error", err)
	})
}
