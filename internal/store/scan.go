package store

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"tianweitong/internal/scan"
	"tianweitong/internal/secret"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Scans keeps scan transactions.
func (st *Store) Scans() scan.Store { return scans{st} }

type scans struct{ *Store }

const scanTable = "scan_transactions"

func messagePlace(id string) secret.Place {
	return secret.Place{Table: "scan_messages", Column: "body", Row: id}
}

func resultPlace(id string, seq int64) secret.Place {
	return secret.Place{Table: "scan_results", Column: "message", Row: id + "/" + strconv.FormatInt(seq, 10)}
}

func (st scans) private(t scan.Transaction) ([]byte, error) {
	b, err := json.Marshal(t.Private)
	if err != nil {
		return nil, err
	}
	return st.seal(scanTable, "private", t.ID, string(b))
}

func (st scans) Insert(ctx context.Context, tx work.Tx, t scan.Transaction, m []byte) error {
	private, err := st.private(t)
	if err != nil {
		return err
	}
	err = queries(tx).InsertScanTransaction(ctx, db.InsertScanTransactionParams{
		ID: t.ID, Seq: t.Seq, Platform: t.Platform, Type: string(t.Type), State: string(t.State), Outcome: string(t.Outcome),
		Expected: t.Expected, AskCode: t.AskCode, NotifyPath: t.NotifyPath, Account: t.Account, Device: t.Device,
		Certificate: t.Certificate, Operation: t.Operation, CreatedAt: ms(t.CreatedAt), ScannedAt: ms(t.ScannedAt),
		EndedAt: ms(t.EndedAt), ExpiresAt: ms(t.ExpiresAt), HoldUntil: ms(t.HoldUntil), Remaining: t.Remaining.Milliseconds(),
		DueAt: ms(t.DueAt), Private: private, Version: t.Version,
	})
	if err != nil || m == nil {
		return failure(err)
	}
	body, err := st.Box.Seal(messagePlace(t.ID), m)
	if err != nil {
		return err
	}
	return failure(queries(tx).InsertScanMessage(ctx, db.InsertScanMessageParams{TransactionID: t.ID, Body: body}))
}

func (st scans) read(r db.ScanTransaction) (scan.Transaction, error) {
	t := scan.Transaction{
		ID: r.ID, Seq: r.Seq, Platform: r.Platform, Type: scan.Type(r.Type), State: scan.State(r.State), Outcome: scan.Outcome(r.Outcome),
		Expected: r.Expected, AskCode: r.AskCode, NotifyPath: r.NotifyPath, Account: r.Account, Device: r.Device,
		Certificate: r.Certificate, Operation: r.Operation, CreatedAt: at(r.CreatedAt), ScannedAt: at(r.ScannedAt),
		EndedAt: at(r.EndedAt), ExpiresAt: at(r.ExpiresAt), HoldUntil: at(r.HoldUntil),
		Remaining: time.Duration(r.Remaining) * time.Millisecond, DueAt: at(r.DueAt), Version: r.Version,
	}
	plain, err := st.unseal(scanTable, "private", r.ID, r.Private)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal([]byte(plain), &t.Private)
}

func (st scans) Get(ctx context.Context, tx work.Tx, id string) (scan.Transaction, error) {
	r, err := queries(tx).ScanTransaction(ctx, id)
	if err != nil {
		return scan.Transaction{}, failure(err)
	}
	return st.read(r)
}

func (st scans) Put(ctx context.Context, tx work.Tx, t scan.Transaction) error {
	private, err := st.private(t)
	if err != nil {
		return err
	}
	return swapped(queries(tx).PutScanTransaction(ctx, db.PutScanTransactionParams{
		ID: t.ID, Version: t.Version, State: string(t.State), Outcome: string(t.Outcome), Account: t.Account, Device: t.Device,
		Certificate: t.Certificate, Operation: t.Operation, ScannedAt: ms(t.ScannedAt), EndedAt: ms(t.EndedAt),
		ExpiresAt: ms(t.ExpiresAt), HoldUntil: ms(t.HoldUntil), Remaining: t.Remaining.Milliseconds(), DueAt: ms(t.DueAt),
		Private: private,
	}))
}

func (st scans) Message(ctx context.Context, tx work.Tx, id string) ([]byte, error) {
	sealed, err := queries(tx).ScanMessage(ctx, id)
	if err != nil {
		return nil, failure(err)
	}
	return st.Box.Open(messagePlace(id), sealed)
}

func (st scans) InsertResult(ctx context.Context, tx work.Tx, r scan.Result) error {
	message := []byte{}
	if r.M != nil {
		var err error
		if message, err = st.Box.Seal(resultPlace(r.Transaction, r.Seq), r.M); err != nil {
			return err
		}
	}
	return failure(queries(tx).InsertScanResult(ctx, db.InsertScanResultParams{
		TransactionID: r.Transaction, Seq: r.Seq, Certificate: r.Certificate, Serial: r.Serial, Message: message,
		Signature: r.Signature, Timestamp: r.Timestamp, SignedAt: ms(r.SignedAt),
	}))
}

func (st scans) Result(ctx context.Context, tx work.Tx, id string, seq int64) (scan.Result, error) {
	r, err := queries(tx).ScanResult(ctx, db.ScanResultParams{TransactionID: id, Seq: seq})
	if err != nil {
		return scan.Result{}, failure(err)
	}
	out := scan.Result{
		Transaction: r.TransactionID, Seq: r.Seq, Certificate: r.Certificate, Serial: r.Serial,
		Signature: r.Signature, Timestamp: r.Timestamp, SignedAt: at(r.SignedAt),
	}
	if len(r.Message) > 0 {
		out.M, err = st.Box.Open(resultPlace(id, seq), r.Message)
	}
	return out, err
}

func (scans) Due(ctx context.Context, tx work.Tx, now time.Time, n int) ([]string, error) {
	ids, err := queries(tx).DueScanTransactions(ctx, db.DueScanTransactionsParams{Now: ms(now), MaxIds: int32(n)})
	return ids, failure(err)
}

func (st scans) OpenOf(ctx context.Context, tx work.Tx, account string) ([]scan.Transaction, error) {
	rows, err := queries(tx).OpenScanTransactions(ctx, account)
	if err != nil {
		return nil, failure(err)
	}
	out := make([]scan.Transaction, len(rows))
	for i, r := range rows {
		if out[i], err = st.read(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (scans) Forget(ctx context.Context, tx work.Tx, id string) error {
	if err := queries(tx).DeleteScanMessage(ctx, id); err != nil {
		return failure(err)
	}
	return failure(queries(tx).ForgetScanResults(ctx, db.ForgetScanResultsParams{TransactionID: id, Message: []byte{}}))
}
