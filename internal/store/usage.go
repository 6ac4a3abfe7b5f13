package store

import (
	"context"
	"encoding/json"
	"strings"

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
	Operator string `json:"operator,omitempty"`
	Title    string `json:"title,omitempty"`
}

func (st usageRecords) Insert(ctx context.Context, tx work.Tx, r usage.Record) error {
	b, err := json.Marshal(usagePrivate{r.Operator, r.Title})
	if err != nil {
		return err
	}
	private, err := st.seal(usageTable, "private", r.ID, string(b))
	if err != nil {
		return err
	}
	return failure(queries(tx).InsertUsageRecord(ctx, db.InsertUsageRecordParams{
		ID: r.ID, Ref: r.Ref, EndedAt: ms(r.At), Account: r.Account, Device: r.Device,
		Certificate: r.Certificate, Serial: r.Serial, Platform: r.Platform, PlatformName: r.PlatformName,
		Business: r.Business, Outcome: r.Outcome, Digest: notNil(r.Digest), Private: private,
	}))
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
		ID: row.ID, Ref: row.Ref, At: at(row.EndedAt), Account: row.Account, Device: row.Device, Operator: p.Operator,
		Certificate: row.Certificate, Serial: row.Serial, Platform: row.Platform, PlatformName: row.PlatformName,
		Business: row.Business, Title: p.Title, Outcome: row.Outcome, Digest: row.Digest,
	}, nil
}

func (st usageRecords) Get(ctx context.Context, tx work.Tx, id string) (usage.Record, error) {
	row, err := queries(tx).UsageRecord(ctx, id)
	if err != nil {
		return usage.Record{}, failure(err)
	}
	return st.read(row)
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func (st usageRecords) List(ctx context.Context, tx work.Tx, account string, f usage.Filter, p usage.Page) ([]usage.Record, error) {
	name := ""
	if f.Name != "" {
		name = "%" + likeEscaper.Replace(f.Name) + "%"
	}
	rows, err := queries(tx).UsageRecordsOfAccount(ctx, db.UsageRecordsOfAccountParams{
		Account: account, After: p.After, Certificate: f.Certificate, Platform: f.Platform, Business: f.Business,
		Name: name, MaxRecords: int32(p.Limit),
	})
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

func (usageRecords) LastCertificate(ctx context.Context, tx work.Tx, account, platform string) (string, error) {
	c, err := queries(tx).LastUsageCertificate(ctx, db.LastUsageCertificateParams{Account: account, Platform: platform})
	return c, failure(err)
}

func (usageRecords) Count(ctx context.Context, tx work.Tx) (int64, error) {
	n, err := queries(tx).CountUsageRecords(ctx)
	return n, failure(err)
}
