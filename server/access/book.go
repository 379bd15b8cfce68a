package access

import (
	"context"
	"sync/atomic"

	"github.com/sluice-project/sluice/internal/watch"
)

// Book is the tokens of a file as they are now. It is safe for concurrent use; a nil Book has no tokens, and says that
// there are none to show.
type Book struct {
	path   string
	tokens atomic.Pointer[Tokens]
}

// Open returns the tokens of a file.
func Open(path string) (*Book, error) {
	b := &Book{path: path}
	files, err := b.read()
	if err != nil {
		return nil, err
	}
	tokens, err := Parse(path, files[0].Data)
	if err != nil {
		return nil, err
	}
	b.tokens.Store(tokens)
	return b, nil
}

func (b *Book) read() ([]watch.File, error) {
	data, err := watch.Read(b.path, maxFile)
	return []watch.File{{Name: b.path, Data: data}}, err
}

// Watch looks once a second whether the file has changed, until ctx ends, and takes over what it says. Took is told how many
// tokens there are each time; fail, once, why those before stay in force.
func (b *Book) Watch(ctx context.Context, took func(n int), fail func(error)) {
	_ = watch.Watch(ctx, nil, watch.Files{ // it ends with ctx
		Read: b.read,
		Take: func(files []watch.File) {
			tokens, err := Parse(b.path, files[0].Data)
			if err != nil {
				fail(err)
				return
			}
			b.tokens.Store(tokens)
			took(tokens.Len())
		},
		Fail: fail,
	})
}

// Find returns whose token it is.
func (b *Book) Find(token string) (Caller, bool) { return b.FindDigest(DigestOf(token)) }

// FindDigest returns whose token a digest is of, for those who remember who has shown one: it may be in force no longer.
func (b *Book) FindDigest(d Digest) (Caller, bool) {
	if b == nil {
		return Caller{}, false
	}
	return b.tokens.Load().find(d)
}

// Edition returns something that is another whenever the tokens are others.
func (b *Book) Edition() *Tokens {
	if b == nil {
		return nil
	}
	return b.tokens.Load()
}
