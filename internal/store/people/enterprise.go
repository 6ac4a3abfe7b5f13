package people

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"tianweitong/internal/enterprise"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/verification"
	"tianweitong/internal/work"
)

// Enterprises is the store of enterprises and applications.
func Enterprises(st *store.Store) verification.Store { return enterprises{st} }

type enterprises struct{ *store.Store }

const (
	enterpriseTable  = "enterprises"
	applicationTable = "enterprise_applications"
	factsTable       = "enterprise_facts"
	eventTable       = "enterprise_events"
	pictureTable     = "enterprise_pictures"
)

func (enterprises) Count(ctx context.Context, tx work.Tx, subject, purpose string, day int64) (int, error) {
	n, err := store.Queries(tx).CountEnterprise(ctx, db.CountEnterpriseParams{Subject: subject, Purpose: purpose, Day: day})
	return int(n), store.Failure(err)
}

func (enterprises) Uncount(ctx context.Context, tx work.Tx, subject, purpose string, day int64) error {
	return store.Failure(store.Queries(tx).UncountEnterprise(ctx, db.UncountEnterpriseParams{Subject: subject, Purpose: purpose, Day: day}))
}

func (enterprises) Counted(ctx context.Context, tx work.Tx, subject, purpose string, day int64) (int, error) {
	n, err := store.Queries(tx).EnterpriseCounted(ctx, db.EnterpriseCountedParams{Subject: subject, Purpose: purpose, Day: day})
	if err = store.Failure(err); errors.Is(err, work.ErrNotFound) {
		return 0, nil
	}
	return int(n), err
}

// sealed is one column that names or numbers somebody.
type sealed struct {
	column, value string
	to            *[]byte
}

func (s enterprises) seals(table, row string, all []sealed) (err error) {
	for _, x := range all {
		if *x.to, err = s.SealText(table, x.column, row, x.value); err != nil {
			return err
		}
	}
	return nil
}

// opened is the inverse of sealed.
type opened struct {
	column string
	value  []byte
	to     *string
}

func (s enterprises) opens(table, row string, all []opened) (err error) {
	for _, x := range all {
		if *x.to, err = s.UnsealText(table, x.column, row, x.value); err != nil {
			return err
		}
	}
	return nil
}

// applicationRow is what is stored of an application.
func (s enterprises) applicationRow(a enterprise.Application) (r db.EnterpriseApplication, err error) {
	r = db.EnterpriseApplication{
		ID: a.ID, Number: a.Number, Account: a.Account, Kind: string(a.Kind), Enterprise: a.Enterprise, Name: a.Name, Code: a.Code,
		State: string(a.State), Method: string(a.Method), Reasons: strings.Join(a.Reasons, " "), Calls: int64(a.Calls), Ref: a.Ref,
		SubmittedAt: store.Ms(a.SubmittedAt), DueAt: store.Ms(a.DueAt), Claimed: a.Claimed, ClaimedUntil: store.Ms(a.ClaimedUntil),
		Escalated: a.Escalated, DecidedBy: a.DecidedBy, DecidedAt: store.Ms(a.DecidedAt), CreatedAt: store.Ms(a.CreatedAt), Version: a.Version,
	}
	if a.Record != (enterprise.Record{}) {
		b, err := json.Marshal(a.Record)
		if err != nil {
			return r, err
		}
		r.Record = string(b)
	}
	return r, s.seals(applicationTable, a.ID, []sealed{
		{"legal_name", a.LegalName, &r.LegalName}, {"legal_id", a.LegalIDNumber, &r.LegalID}, {"note", a.Note, &r.Note},
		{"phone", a.Phone, &r.Phone}, {"card", a.Card, &r.Card},
	})
}

func (s enterprises) application(r db.EnterpriseApplication) (enterprise.Application, error) {
	a := enterprise.Application{
		ID: r.ID, Number: r.Number, Account: r.Account, Kind: enterprise.Kind(r.Kind), Enterprise: r.Enterprise, Name: r.Name, Code: r.Code,
		State: enterprise.State(r.State), Method: enterprise.Method(r.Method), Reasons: strings.Fields(r.Reasons), Calls: int(r.Calls), Ref: r.Ref,
		SubmittedAt: store.At(r.SubmittedAt), DueAt: store.At(r.DueAt), Claimed: r.Claimed, ClaimedUntil: store.At(r.ClaimedUntil),
		Escalated: r.Escalated, DecidedBy: r.DecidedBy, DecidedAt: store.At(r.DecidedAt), CreatedAt: store.At(r.CreatedAt), Version: r.Version,
	}
	if r.Record != "" {
		if err := json.Unmarshal([]byte(r.Record), &a.Record); err != nil {
			return a, err
		}
	}
	return a, s.opens(applicationTable, r.ID, []opened{
		{"legal_name", r.LegalName, &a.LegalName}, {"legal_id", r.LegalID, &a.LegalIDNumber}, {"note", r.Note, &a.Note},
		{"phone", r.Phone, &a.Phone}, {"card", r.Card, &a.Card},
	})
}

func (s enterprises) InsertApplication(ctx context.Context, tx work.Tx, a enterprise.Application) error {
	r, err := s.applicationRow(a)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).InsertEnterpriseApplication(ctx, db.InsertEnterpriseApplicationParams(r)))
}

func (s enterprises) PutApplication(ctx context.Context, tx work.Tx, a enterprise.Application) error {
	r, err := s.applicationRow(a)
	if err != nil {
		return err
	}
	return store.Swapped(store.Queries(tx).UpdateEnterpriseApplication(ctx, db.UpdateEnterpriseApplicationParams{
		ID: r.ID, Enterprise: r.Enterprise, Name: r.Name, Code: r.Code, LegalName: r.LegalName, LegalID: r.LegalID, State: r.State,
		Method: r.Method, Reasons: r.Reasons, Note: r.Note, Record: r.Record, Calls: r.Calls, Ref: r.Ref, Phone: r.Phone, Card: r.Card,
		SubmittedAt: r.SubmittedAt, DueAt: r.DueAt, Claimed: r.Claimed, ClaimedUntil: r.ClaimedUntil, Escalated: r.Escalated,
		DecidedBy: r.DecidedBy, DecidedAt: r.DecidedAt, Version: r.Version,
	}))
}

func (s enterprises) Application(ctx context.Context, tx work.Tx, id string) (enterprise.Application, error) {
	r, err := store.Queries(tx).GetEnterpriseApplication(ctx, id)
	if err != nil {
		return enterprise.Application{}, store.Failure(err)
	}
	return s.pictured(ctx, tx, r)
}

func (s enterprises) pictured(ctx context.Context, tx work.Tx, r db.EnterpriseApplication) (enterprise.Application, error) {
	a, err := s.application(r)
	if err != nil {
		return a, err
	}
	a.Pictures, err = store.Queries(tx).EnterprisePictureKinds(ctx, r.ID)
	return a, store.Failure(err)
}

// all gives rows with their pictures' kinds.
func (s enterprises) all(ctx context.Context, tx work.Tx, rows []db.EnterpriseApplication, err error) ([]enterprise.Application, error) {
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]enterprise.Application, len(rows))
	for i, r := range rows {
		if out[i], err = s.pictured(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s enterprises) ApplicationsOf(ctx context.Context, tx work.Tx, account string, n int) ([]enterprise.Application, error) {
	rows, err := store.Queries(tx).EnterpriseApplicationsOf(ctx, db.EnterpriseApplicationsOfParams{Account: account, Most: int32(n)})
	return s.all(ctx, tx, rows, err)
}

func (s enterprises) OpenFor(ctx context.Context, tx work.Tx, code string) ([]enterprise.Application, error) {
	rows, err := store.Queries(tx).OpenEnterpriseApplications(ctx, db.OpenEnterpriseApplicationsParams{
		Code: code, Verified: string(enterprise.StateVerified), Ended: string(enterprise.StateEnded)})
	return s.all(ctx, tx, rows, err)
}

func (s enterprises) OpenOf(ctx context.Context, tx work.Tx, account string) ([]enterprise.Application, error) {
	rows, err := store.Queries(tx).OpenEnterpriseApplicationsOf(ctx, db.OpenEnterpriseApplicationsOfParams{
		Account: account, Verified: string(enterprise.StateVerified), Ended: string(enterprise.StateEnded)})
	return s.all(ctx, tx, rows, err)
}

func (s enterprises) Idle(ctx context.Context, tx work.Tx, since time.Time, n int) ([]enterprise.Application, error) {
	rows, err := store.Queries(tx).IdleEnterpriseApplications(ctx, db.IdleEnterpriseApplicationsParams{
		Draft: string(enterprise.StateDraft), Checked: string(enterprise.StateChecked), Refused: string(enterprise.StateRefused),
		Since: store.Ms(since), Most: int32(n)})
	return s.all(ctx, tx, rows, err)
}

func (s enterprises) Queue(ctx context.Context, tx work.Tx, second bool, dueAfter time.Time, after string, n int) ([]enterprise.Application, error) {
	rows, err := store.Queries(tx).EnterpriseQueue(ctx, db.EnterpriseQueueParams{
		State: string(enterprise.StateReviewing), Second: second, DueAt: store.Ms(dueAfter), After: after, Most: int32(n)})
	return s.all(ctx, tx, rows, err)
}

func (enterprises) CountQueue(ctx context.Context, tx work.Tx, second bool) (int, error) {
	n, err := store.Queries(tx).CountEnterpriseQueue(ctx, db.CountEnterpriseQueueParams{State: string(enterprise.StateReviewing), Second: second})
	return int(n), store.Failure(err)
}

func (s enterprises) Decided(ctx context.Context, tx work.Tx, before time.Time, beforeID string, n int) ([]enterprise.Application, error) {
	at := store.Ms(before)
	if at == 0 {
		at = 1 << 62
	}
	rows, err := store.Queries(tx).DecidedEnterpriseApplications(ctx, db.DecidedEnterpriseApplicationsParams{DecidedAt: at, Before: beforeID, Most: int32(n)})
	return s.all(ctx, tx, rows, err)
}

func (enterprises) CountDecided(ctx context.Context, tx work.Tx, since time.Time) (int, error) {
	n, err := store.Queries(tx).CountDecidedEnterpriseApplications(ctx, store.Ms(since))
	return int(n), store.Failure(err)
}

func (s enterprises) PutPicture(ctx context.Context, tx work.Tx, application, kind string, jpeg []byte, at time.Time) error {
	b, err := s.SealText(pictureTable, kind, application, string(jpeg))
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).PutEnterprisePicture(ctx, db.PutEnterprisePictureParams{Application: application, Kind: kind, Picture: b, At: store.Ms(at)}))
}

func (s enterprises) Picture(ctx context.Context, tx work.Tx, application, kind string) ([]byte, error) {
	b, err := store.Queries(tx).EnterprisePicture(ctx, db.EnterprisePictureParams{Application: application, Kind: kind})
	if err != nil {
		return nil, store.Failure(err)
	}
	jpeg, err := s.UnsealText(pictureTable, kind, application, b)
	return []byte(jpeg), err
}

func (enterprises) DropPictures(ctx context.Context, tx work.Tx, application string) error {
	return store.Failure(store.Queries(tx).DropEnterprisePictures(ctx, application))
}

func (s enterprises) AddEvent(ctx context.Context, tx work.Tx, e verification.Event) error {
	note, err := s.SealText(eventTable, "note", e.ID, e.Note)
	if err != nil {
		return err
	}
	return store.Failure(store.Queries(tx).InsertEnterpriseEvent(ctx, db.InsertEnterpriseEventParams{
		ID: e.ID, Application: e.Application, Kind: e.Kind, Actor: e.Actor, Note: note, At: store.Ms(e.At)}))
}

func (s enterprises) Events(ctx context.Context, tx work.Tx, application string) ([]verification.Event, error) {
	rows, err := store.Queries(tx).EnterpriseEvents(ctx, application)
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]verification.Event, len(rows))
	for i, r := range rows {
		out[i] = verification.Event{ID: r.ID, Application: r.Application, Kind: r.Kind, Actor: r.Actor, At: store.At(r.At)}
		if out[i].Note, err = s.UnsealText(eventTable, "note", r.ID, r.Note); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// legal seals the representative's name and number for the enterprise's row.
func (s enterprises) legal(e enterprise.Enterprise) (name, number []byte, err error) {
	err = s.seals(enterpriseTable, e.ID, []sealed{{"legal_name", e.LegalName, &name}, {"legal_id", e.LegalIDNumber, &number}})
	return name, number, err
}

func (s enterprises) AddEnterprise(ctx context.Context, tx work.Tx, e enterprise.Enterprise, application string) (bool, error) {
	name, number, err := s.legal(e)
	if err != nil {
		return false, err
	}
	n, err := store.Queries(tx).InsertEnterprise(ctx, db.InsertEnterpriseParams{
		ID: e.ID, Name: e.Name, Code: e.Code, LegalName: name, LegalID: number, LegalIDHash: store.NotNil(e.LegalIDHash), Administrator: e.Administrator,
		Method: string(e.Method), VerifiedAt: store.Ms(e.VerifiedAt), CreatedAt: store.Ms(e.CreatedAt), Facts: e.Facts, Version: e.Version,
	})
	if err != nil || n == 0 {
		return false, store.Failure(err)
	}
	return true, s.addFacts(ctx, tx, e, application)
}

// addFacts keeps a version of the facts, and makes the name findable.
func (s enterprises) addFacts(ctx context.Context, tx work.Tx, e enterprise.Enterprise, application string) error {
	q := store.Queries(tx)
	row := db.InsertEnterpriseFactsParams{Enterprise: e.ID, Facts: e.Facts, Application: application, Name: e.Name, Method: string(e.Method), At: store.Ms(e.VerifiedAt)}
	if err := s.seals(factsTable, factsRow(e.ID, e.Facts), []sealed{{"legal_name", e.LegalName, &row.LegalName}}); err != nil {
		return err
	}
	if err := q.InsertEnterpriseFacts(ctx, row); err != nil {
		return store.Failure(err)
	}
	if err := q.DropEnterpriseGrams(ctx, e.ID); err != nil {
		return store.Failure(err)
	}
	for _, g := range verification.Grams(e.Name) {
		if err := q.InsertEnterpriseGram(ctx, db.InsertEnterpriseGramParams{Gram: g, Enterprise: e.ID}); err != nil {
			return store.Failure(err)
		}
	}
	return nil
}

func (s enterprises) PutFacts(ctx context.Context, tx work.Tx, e enterprise.Enterprise, application string) error {
	name, number, err := s.legal(e)
	if err != nil {
		return err
	}
	if err := store.Swapped(store.Queries(tx).UpdateEnterpriseFacts(ctx, db.UpdateEnterpriseFactsParams{
		ID: e.ID, Name: e.Name, LegalName: name, LegalID: number, LegalIDHash: store.NotNil(e.LegalIDHash), Method: string(e.Method),
		VerifiedAt: store.Ms(e.VerifiedAt), Facts: e.Facts, Version: e.Version,
	})); err != nil {
		return err
	}
	return s.addFacts(ctx, tx, e, application)
}

func (s enterprises) one(r db.Enterprise, err error) (enterprise.Enterprise, error) {
	if err != nil {
		return enterprise.Enterprise{}, store.Failure(err)
	}
	e := enterprise.Enterprise{ID: r.ID, Name: r.Name, Code: r.Code, LegalIDHash: r.LegalIDHash, Administrator: r.Administrator, Method: enterprise.Method(r.Method),
		VerifiedAt: store.At(r.VerifiedAt), CreatedAt: store.At(r.CreatedAt), Facts: r.Facts, Version: r.Version}
	return e, s.opens(enterpriseTable, r.ID, []opened{{"legal_name", r.LegalName, &e.LegalName}, {"legal_id", r.LegalID, &e.LegalIDNumber}})
}

func (s enterprises) Enterprise(ctx context.Context, tx work.Tx, id string) (enterprise.Enterprise, error) {
	return s.one(store.Queries(tx).GetEnterprise(ctx, id))
}

func (s enterprises) ByCode(ctx context.Context, tx work.Tx, code string) (enterprise.Enterprise, error) {
	return s.one(store.Queries(tx).EnterpriseByCode(ctx, code))
}

// rare is how few enterprises a gram needs to have to be searched by at once.
const rare = 100

func (s enterprises) Like(ctx context.Context, tx work.Tx, part string, n int) ([]enterprise.Enterprise, error) {
	q := store.Queries(tx)
	grams := verification.Grams(part)
	best, fewest := "", int64(1<<20)
	for _, g := range grams {
		if len([]rune(part)) > 1 && len([]rune(g)) == 1 {
			continue // two characters tell more
		}
		some, err := q.CountEnterpriseGram(ctx, db.CountEnterpriseGramParams{Gram: g, Most: 1000})
		if err != nil {
			return nil, store.Failure(err)
		}
		if some < fewest {
			best, fewest = g, some
		}
		if fewest <= rare {
			break
		}
	}
	if best == "" || fewest == 0 {
		return nil, nil
	}
	pattern := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(part) + "%"
	rows, err := q.EnterprisesLike(ctx, db.EnterprisesLikeParams{Gram: best, Pattern: pattern, Most: int32(n)})
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]enterprise.Enterprise, len(rows))
	for i, r := range rows {
		if out[i], err = s.one(r, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s enterprises) History(ctx context.Context, tx work.Tx, id string) ([]verification.FactsVersion, error) {
	rows, err := store.Queries(tx).EnterpriseHistory(ctx, id)
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]verification.FactsVersion, len(rows))
	for i, r := range rows {
		out[i] = verification.FactsVersion{Facts: r.Facts, Name: r.Name, Method: enterprise.Method(r.Method), At: store.At(r.At)}
		if err := s.opens(factsTable, factsRow(r.Enterprise, r.Facts), []opened{{"legal_name", r.LegalName, &out[i].LegalName}}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// factsRow names a version's row.
func factsRow(enterprise string, facts int64) string {
	return enterprise + "/" + strconv.FormatInt(facts, 10)
}
