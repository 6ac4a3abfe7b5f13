package verification

import (
	"context"
	"errors"
	"slices"
	"sync"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/picture"
	"tianweitong/internal/realname"
	"tianweitong/internal/work"
)

// PutPicture stores one of an application's pictures as package picture has read it
// (≤ 10 MB, JPEG or PNG); an earlier one of the kind is replaced. Each upload counts,
// Pictures a day, before it is decoded, and one of an account is decoded at a time.
// The refusals are CodePictures and package picture's.
func (s *Service) PutPicture(ctx context.Context, acc, application, kind string, upload []byte) (enterprise.Application, error) {
	if !slices.Contains(documents, kind) {
		return enterprise.Application{}, CodePictureUnknown
	}
	if err := s.Runner.Do(ctx, "enterprise.picture_counted", func(ctx context.Context, tx work.Tx) error {
		a, err := s.own(ctx, tx, acc, application)
		if err != nil {
			return err
		}
		if a.State.Over() {
			return CodeApplicationOver
		}
		if err := still(&a); err != nil {
			return err
		}
		return s.count(ctx, tx, acc, countPicture, Pictures)
	}); err != nil {
		return enterprise.Application{}, err
	}
	use := picture.Document
	if slices.Contains(idCard, kind) {
		use = picture.Card
	}
	done, err := s.decoding.turn(ctx, acc)
	if err != nil {
		return enterprise.Application{}, err
	}
	jpeg, err := func() ([]byte, error) {
		defer done()
		return picture.Read(ctx, upload, use)
	}()
	if err != nil {
		return enterprise.Application{}, err
	}
	return s.change(ctx, acc, application, "enterprise.picture", func(ctx context.Context, tx work.Tx, a *enterprise.Application) error {
		if err := still(a); err != nil {
			return err
		}
		if !slices.Contains(a.Pictures, kind) {
			a.Pictures = append(a.Pictures, kind)
			slices.Sort(a.Pictures)
		}
		return s.Store.PutPicture(ctx, tx, a.ID, kind, jpeg, s.Clock.Now())
	})
}

// turns let each account do one thing at a time, so that none takes all places.
type turns struct {
	mu sync.Mutex
	of map[string]chan struct{} // closed at a turn's end
}

// turn waits for the account's turn; ctx's error if it ends before. done ends the turn.
func (t *turns) turn(ctx context.Context, acc string) (done func(), err error) {
	for {
		t.mu.Lock()
		other, taken := t.of[acc]
		if !taken {
			mine := make(chan struct{})
			t.of[acc] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				delete(t.of, acc)
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// OwnPicture shows an applicant a picture as it was stored; CodePictureUnknown.
func (s *Service) OwnPicture(ctx context.Context, acc, application, kind string) (b []byte, err error) {
	err = s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		a, err := s.own(ctx, tx, acc, application)
		if err != nil {
			return err
		}
		b, err = s.picture(ctx, tx, a.ID, kind)
		return err
	})
	return b, err
}

func (s *Service) picture(ctx context.Context, tx work.Tx, application, kind string) ([]byte, error) {
	b, err := s.Store.Picture(ctx, tx, application, kind)
	if errors.Is(err, work.ErrNotFound) {
		return nil, CodePictureUnknown
	}
	return b, err
}

// Letter writes the letter of authorisation (企业授权书) of an application as PDF, to
// be printed, stamped, and uploaded.
func (s *Service) Letter(ctx context.Context, acc, application string) ([]byte, error) {
	var f LetterFacts
	err := s.Runner.View(ctx, func(ctx context.Context, tx work.Tx) error {
		a, err := s.own(ctx, tx, acc, application)
		if err != nil {
			return err
		}
		if a.State.Over() {
			return CodeApplicationOver
		}
		p, err := s.Members.Persons.Person(ctx, tx, acc)
		f = LetterFacts{Number: a.Number, Name: a.Name, Code: a.Code, LegalName: a.LegalName, Person: p.Name,
			IDMasked: realname.MaskIDNumber(p.IDNumber), At: s.Clock.Now()}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Deps.Letter(f)
}
