package store

import (
	"context"
	"time"

	"tianweitong/internal/notice"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Notices is the notices' store.
func (st *Store) Notices() notice.Store { return notices{st} }

type notices struct{ *Store }

func (s notices) Add(ctx context.Context, tx work.Tx, n notice.Notice) (bool, error) {
	title, err := s.seal("notices", "title", n.ID, n.Title)
	if err != nil {
		return false, err
	}
	body, err := s.seal("notices", "body", n.ID, n.Body)
	if err != nil {
		return false, err
	}
	added, err := queries(tx).InsertNotice(ctx, db.InsertNoticeParams{
		ID: n.ID, Account: n.Account, Kind: n.Kind, Title: title, Body: body, Link: n.Link,
		UniqueKey: optional(n.Key), PostedAt: ms(n.PostedAt),
	})
	return added == 1, failure(err)
}

func (s notices) List(ctx context.Context, tx work.Tx, account, before string, n int) ([]notice.Notice, error) {
	rows, err := queries(tx).NoticesBefore(ctx, db.NoticesBeforeParams{Account: account, Before: before, Most: int32(n)})
	if err != nil {
		return nil, failure(err)
	}
	out := make([]notice.Notice, len(rows))
	for i, r := range rows {
		title, err := s.unseal("notices", "title", r.ID, r.Title)
		if err != nil {
			return nil, err
		}
		body, err := s.unseal("notices", "body", r.ID, r.Body)
		if err != nil {
			return nil, err
		}
		out[i] = notice.Notice{
			ID: r.ID, Account: r.Account, Kind: r.Kind, Title: title, Body: body, Link: r.Link,
			Key: r.UniqueKey.String, PostedAt: at(r.PostedAt), ReadAt: at(r.ReadAt),
		}
	}
	return out, nil
}

func (notices) Unread(ctx context.Context, tx work.Tx, account string) (int, error) {
	n, err := queries(tx).CountUnreadNotices(ctx, account)
	return int(n), failure(err)
}

func (notices) MarkRead(ctx context.Context, tx work.Tx, account, id string, when time.Time) error {
	n, err := queries(tx).MarkNoticeRead(ctx, db.MarkNoticeReadParams{ID: id, Account: account, ReadAt: ms(when)})
	if err == nil && n == 0 {
		return work.ErrNotFound
	}
	return failure(err)
}

func (notices) MarkAllRead(ctx context.Context, tx work.Tx, account string, when time.Time) error {
	return failure(queries(tx).MarkNoticesRead(ctx, db.MarkNoticesReadParams{Account: account, ReadAt: ms(when)}))
}
