package people

import (
	"context"
	"errors"
	"time"

	"tianweitong/internal/realname"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Realnames is the real-name checks' store.
func Realnames(st *store.Store) realname.Store { return realnames{st} }

type realnames struct{ *store.Store }

func (realnames) Attempt(ctx context.Context, tx work.Tx, account string, p realname.Purpose, day int64) (int, error) {
	n, err := store.Queries(tx).CountRealnameAttempt(ctx, db.CountRealnameAttemptParams{Account: account, Purpose: string(p), Day: day})
	return int(n), store.Failure(err)
}

func (realnames) GiveBack(ctx context.Context, tx work.Tx, account string, p realname.Purpose, day int64) error {
	return store.Failure(store.Queries(tx).GiveBackRealnameAttempt(ctx, db.GiveBackRealnameAttemptParams{Account: account, Purpose: string(p), Day: day}))
}

func (realnames) Attempts(ctx context.Context, tx work.Tx, account string, p realname.Purpose, day int64) (int, error) {
	n, err := store.Queries(tx).RealnameAttempts(ctx, db.RealnameAttemptsParams{Account: account, Purpose: string(p), Day: day})
	if err = store.Failure(err); errors.Is(err, work.ErrNotFound) {
		return 0, nil
	}
	return int(n), err
}

// subject seals what is checked, each value for its own column.
func (s realnames) subject(c realname.Check) (row db.RealnameCheck, err error) {
	for _, x := range []struct {
		column, value string
		to            *[]byte
	}{{"name", c.Name, &row.Name}, {"id_number", c.IDNumber, &row.IDNumber}, {"phone", c.Phone, &row.Phone}, {"card", c.Card, &row.Card}} {
		if *x.to, err = s.SealText("realname_checks", x.column, c.ID, x.value); err != nil {
			return row, err
		}
	}
	return row, nil
}

func (s realnames) Insert(ctx context.Context, tx work.Tx, c realname.Check) error {
	r, err := s.subject(c)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).InsertRealnameCheck(ctx, db.InsertRealnameCheckParams{
		ID: c.ID, Account: c.Account, Purpose: string(c.Purpose), Subject: c.Subject, Method: string(c.Method), State: string(c.State),
		Name: r.Name, IDNumber: r.IDNumber, Phone: r.Phone, Card: r.Card, CardTail: c.CardTail, CardHash: c.CardHash, Calls: int64(c.Calls), Ref: c.Ref, Failed: int64(c.Failed),
		Reason: c.Reason, StartedAt: store.Ms(c.StartedAt), Version: c.Version,
	}))
}

func (s realnames) Put(ctx context.Context, tx work.Tx, c realname.Check) error {
	r, err := s.subject(c)
	if err != nil {
		return err
	}
	return store.Swapped(store.Queries(tx).UpdateRealnameCheck(ctx, db.UpdateRealnameCheckParams{
		ID: c.ID, State: string(c.State), Name: r.Name, IDNumber: r.IDNumber, Phone: r.Phone, Card: r.Card, Calls: int64(c.Calls),
		Ref: c.Ref, Failed: int64(c.Failed), Reason: c.Reason, Version: c.Version,
	}))
}

func (s realnames) Get(ctx context.Context, tx work.Tx, id string) (realname.Check, error) {
	r, err := store.Queries(tx).RealnameCheck(ctx, id)
	return s.check(r, err)
}

func (s realnames) Latest(ctx context.Context, tx work.Tx, account string, p realname.Purpose, subject string) (realname.Check, error) {
	r, err := store.Queries(tx).LatestRealnameCheck(ctx, db.LatestRealnameCheckParams{Account: account, Purpose: string(p), Subject: subject})
	return s.check(r, err)
}

func (s realnames) check(r db.RealnameCheck, err error) (realname.Check, error) {
	if err != nil {
		return realname.Check{}, store.Failure(err)
	}
	c := realname.Check{
		ID: r.ID, Account: r.Account, Purpose: realname.Purpose(r.Purpose), Subject: r.Subject,
		Method: realname.Method(r.Method), CardTail: r.CardTail, CardHash: r.CardHash, State: realname.State(r.State),
		Calls: int(r.Calls), Ref: r.Ref, Failed: int(r.Failed), Reason: r.Reason, StartedAt: store.At(r.StartedAt), Version: r.Version,
	}
	for _, x := range []struct {
		column string
		sealed []byte
		to     *string
	}{{"name", r.Name, &c.Name}, {"id_number", r.IDNumber, &c.IDNumber}, {"phone", r.Phone, &c.Phone}, {"card", r.Card, &c.Card}} {
		if *x.to, err = s.UnsealText("realname_checks", x.column, r.ID, x.sealed); err != nil {
			return realname.Check{}, err
		}
	}
	return c, nil
}

func (realnames) EndOpen(ctx context.Context, tx work.Tx, account string, p realname.Purpose) error {
	return store.Failure(store.Queries(tx).EndOpenRealnameChecks(ctx, db.EndOpenRealnameChecksParams{
		Account: account, Purpose: string(p), Nothing: []byte{},
		Ended: string(realname.StateEnded), Passed: string(realname.StatePassed), Refused: string(realname.StateRefused),
	}))
}

// nameHash finds the persons of a name (Lookups).
func nameHash(st *store.Store, name string) []byte { return st.Box.Hash("person-name", []byte(name)) }

func (s realnames) AddPerson(ctx context.Context, tx work.Tx, p realname.Person) (bool, error) {
	name, err := s.SealText("realname_persons", "name", p.Account, p.Name)
	if err != nil {
		return false, err
	}
	number, err := s.SealText("realname_persons", "id_number", p.Account, p.IDNumber)
	if err != nil {
		return false, err
	}
	n, err := store.Queries(tx).InsertRealnamePerson(ctx, db.InsertRealnamePersonParams{
		Account: p.Account, Holder: p.Holder, Name: name, NameHash: nameHash(s.Store, p.Name), IDType: p.IDType, IDNumber: number, IDHash: p.IDHash, VerifiedAt: store.Ms(p.VerifiedAt),
	})
	return n == 1, store.Failure(err)
}

func (s realnames) Rename(ctx context.Context, tx work.Tx, account, name string, when time.Time) error {
	sealed, err := s.SealText("realname_persons", "name", account, name)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).RenameRealnamePerson(ctx, db.RenameRealnamePersonParams{Account: account, Name: sealed, NameHash: nameHash(s.Store, name), VerifiedAt: store.Ms(when)}))
}

func (s realnames) Person(ctx context.Context, tx work.Tx, account string) (realname.Person, error) {
	r, err := store.Queries(tx).RealnamePerson(ctx, account)
	if err != nil {
		return realname.Person{}, store.Failure(err)
	}
	p := realname.Person{Account: r.Account, Holder: r.Holder, IDType: r.IDType, IDHash: r.IDHash, VerifiedAt: store.At(r.VerifiedAt)}
	if p.Name, err = s.UnsealText("realname_persons", "name", r.Account, r.Name); err != nil {
		return realname.Person{}, err
	}
	p.IDNumber, err = s.UnsealText("realname_persons", "id_number", r.Account, r.IDNumber)
	return p, err
}

func (realnames) AccountOf(ctx context.Context, tx work.Tx, idHash []byte) (string, error) {
	a, err := store.Queries(tx).RealnamePersonByDocument(ctx, idHash)
	return a, store.Failure(err)
}

func (realnames) EndAll(ctx context.Context, tx work.Tx, account string) error {
	return store.Failure(store.Queries(tx).EndAllRealnameChecks(ctx, db.EndAllRealnameChecksParams{
		Account: account, Nothing: []byte{},
		Ended: string(realname.StateEnded), Passed: string(realname.StatePassed), Refused: string(realname.StateRefused),
	}))
}

func (realnames) Release(ctx context.Context, tx work.Tx, account string, tombstone []byte, when time.Time) error {
	return store.Failure(store.Queries(tx).ReleaseRealnamePerson(ctx, db.ReleaseRealnamePersonParams{
		Account: account, IDHash: tombstone, ReleasedAt: store.Ms(when),
	}))
}

func (realnames) Erase(ctx context.Context, tx work.Tx, account string) error {
	q := store.Queries(tx)
	if err := q.EraseRealnameCards(ctx, account); err != nil {
		return store.Failure(err)
	}
	if err := q.DeleteRealnameNames(ctx, account); err != nil {
		return store.Failure(err)
	}
	return store.Failure(q.DeleteRealnamePerson(ctx, account))
}

func (s realnames) PutFormerName(ctx context.Context, tx work.Tx, n realname.FormerName) error {
	name, err := s.SealText("realname_names", "name", n.ID, n.Name)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).InsertRealnameName(ctx, db.InsertRealnameNameParams{
		ID: n.ID, Account: n.Account, Name: name, FromTime: store.Ms(n.From), UntilTime: store.Ms(n.Until),
	}))
}

func (s realnames) FormerNames(ctx context.Context, tx work.Tx, account string) ([]realname.FormerName, error) {
	rows, err := store.Queries(tx).RealnameNames(ctx, account)
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]realname.FormerName, len(rows))
	for i, r := range rows {
		name, err := s.UnsealText("realname_names", "name", r.ID, r.Name)
		if err != nil {
			return nil, err
		}
		out[i] = realname.FormerName{ID: r.ID, Account: r.Account, Name: name, From: store.At(r.FromTime), Until: store.At(r.UntilTime)}
	}
	return out, nil
}
