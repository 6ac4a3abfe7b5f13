package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"

	"tianweitong/internal/account"
	"tianweitong/internal/store/db"
	"tianweitong/internal/usage"
	"tianweitong/internal/work"
)

// Usage keeps usage records.
func (st *Store) Usage() usage.Store { return usageRecords{st} }

type usageRecords struct{ *Store }

const usageTable = "usage_records"

// usagePrivate is the sealed column: what names people or may name them.
type usagePrivate struct {
	Operator string       `json:"operator,omitempty"`
	Title    string       `json:"title,omitempty"`
	Origin   usage.Origin `json:"origin,omitzero"`
}

func (st usageRecords) Insert(ctx context.Context, tx work.Tx, r usage.Record) error {
	b, err := json.Marshal(usagePrivate{r.Operator, r.Title, r.Origin})
	if err != nil {
		return err
	}
	private, err := st.seal(usageTable, "private", r.ID, string(b))
	if err != nil {
		return err
	}
	operator := ""
	if r.Operator != "" {
		operator = hex.EncodeToString(st.Box.Hash("usage-operator", []byte(r.Operator)))
		for _, owner := range owners(r) {
			name, err := st.seal("usage_operators", "name", owner+"/"+operator, r.Operator)
			if err != nil {
				return err
			}
			err = queries(tx).InsertUsageOperator(ctx, db.InsertUsageOperatorParams{Account: owner, Operator: operator, Name: name})
			if err != nil {
				return failure(err)
			}
		}
	}
	return failure(queries(tx).InsertUsageRecord(ctx, db.InsertUsageRecordParams{
		ID: r.ID, Ref: r.Ref, EndedAt: ms(r.At), Account: r.Account, Enterprise: r.Enterprise, Device: r.Device,
		Certificate: r.Certificate, Serial: r.Serial, Platform: r.Platform, PlatformName: r.PlatformName,
		Business: r.Business, Outcome: r.Outcome, Digest: notNil(r.Digest), Operator: operator, Private: private,
	}))
}

// owners are under whom an operator's name is looked for.
func owners(r usage.Record) []string {
	if r.Enterprise == "" {
		return []string{r.Account}
	}
	return []string{r.Account, r.Enterprise}
}

func (st usageRecords) read(row db.UsageRecord) (usage.Record, error) {
	plain, err := st.unseal(usageTable, "private", row.ID, row.Private)
	if err != nil {
		return usage.Record{}, err
	}
	var p usagePrivate
	if err := json.Unmarshal([]byte(plain), &p); err != nil {
		return usage.Record{}, err
	}
	return usage.Record{
		ID: row.ID, Ref: row.Ref, At: at(row.EndedAt), Account: row.Account, Enterprise: row.Enterprise, Device: row.Device, Operator: p.Operator,
		Certificate: row.Certificate, Serial: row.Serial, Platform: row.Platform, PlatformName: row.PlatformName,
		Business: row.Business, Title: p.Title, Outcome: row.Outcome, Digest: row.Digest,
		Origin: p.Origin,
	}, nil
}

func (st usageRecords) Get(ctx context.Context, tx work.Tx, id string) (usage.Record, error) {
	row, err := queries(tx).UsageRecord(ctx, id)
	if err != nil {
		return usage.Record{}, failure(err)
	}
	return st.read(row)
}

func (st usageRecords) List(ctx context.Context, tx work.Tx, sc account.Scope, f usage.Filter, p usage.Page) ([]usage.Record, error) {
	in := db.UsageRecordsOfAccountParams{
		Account: sc.Account, Enterprise: sc.Enterprise, After: p.After, Certificate: f.Certificate, Platform: f.Platform, Business: f.Business,
		FromAt: ms(f.From), ToAt: math.MaxInt64, MaxRecords: int32(p.Limit),
	}
	if !f.To.IsZero() {
		in.ToAt = ms(f.To)
	}
	switch f.Result {
	case usage.Succeeded:
		in.Outcomes, in.Among = among(usage.OK), true
	case usage.Cancelled:
		in.Outcomes, in.Among = among(usage.CancelledOutcomes()...), true
	case usage.Failed:
		in.Outcomes = among(append(usage.CancelledOutcomes(), usage.OK)...)
	}
	if f.Query != "" {
		in.Name = "%" + literal.Replace(f.Query) + "%"
		var err error
		owner := sc.Account
		if sc.All {
			owner = sc.Enterprise
		}
		if in.Operators, err = st.operators(ctx, tx, owner, f.Query); err != nil {
			return nil, err
		}
	}
	var rows []db.UsageRecord
	var err error
	if sc.All {
		rows, err = queries(tx).UsageRecordsOfEnterprise(ctx, db.UsageRecordsOfEnterpriseParams{
			Enterprise: in.Enterprise, After: in.After, FromAt: in.FromAt, ToAt: in.ToAt, Certificate: in.Certificate, Platform: in.Platform,
			Business: in.Business, Outcomes: in.Outcomes, Among: in.Among, Name: in.Name, Operators: in.Operators, MaxRecords: in.MaxRecords,
		})
	} else {
		rows, err = queries(tx).UsageRecordsOfAccount(ctx, in)
	}
	if err != nil {
		return nil, failure(err)
	}
	out := make([]usage.Record, len(rows))
	for i, row := range rows {
		if out[i], err = st.read(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// among writes a list as the queries take it.
func among(words ...string) string { return "," + strings.Join(words, ",") + "," }

// operators finds the names of an account's records that contain a part.
func (st usageRecords) operators(ctx context.Context, tx work.Tx, account, part string) (string, error) {
	rows, err := queries(tx).UsageOperators(ctx, account)
	if err != nil {
		return "", failure(err)
	}
	var found []string
	for _, r := range rows {
		name, err := st.unseal("usage_operators", "name", r.Account+"/"+r.Operator, r.Name)
		if err != nil {
			return "", err
		}
		if strings.Contains(strings.ToLower(name), strings.ToLower(part)) {
			found = append(found, r.Operator)
		}
	}
	if found == nil {
		return "", nil
	}
	return among(found...), nil
}

func (usageRecords) LastCertificate(ctx context.Context, tx work.Tx, account, platform string) (string, error) {
	c, err := queries(tx).LastUsageCertificate(ctx, db.LastUsageCertificateParams{Account: account, Platform: platform})
	return c, failure(err)
}

func (usageRecords) Count(ctx context.Context, tx work.Tx) (int64, error) {
	n, err := queries(tx).CountUsageRecords(ctx)
	return n, failure(err)
}
