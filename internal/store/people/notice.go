package people

import (
	"context"
	"time"

	"tianweitong/internal/notice"
	"tianweitong/internal/store"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// Notices is the notices' store.
func Notices(st *store.Store) notice.Store { return notices{st} }

type notices struct{ *store.Store }

func (s notices) Add(ctx context.Context, tx work.Tx, n notice.Notice) (bool, error) {
	title, err := s.SealText("notices", "title", n.ID, n.Title)
	if err != nil {
		return false, err
	}
	body, err := s.SealText("notices", "body", n.ID, n.Body)
	if err != nil {
		return false, err
	}
	added, err := store.Queries(tx).InsertNotice(ctx, db.InsertNoticeParams{
		ID: n.ID, Account: n.Account, Kind: n.Kind, Title: title, Body: body, Link: n.Link,
		UniqueKey: store.Optional(n.Key), PostedAt: store.Ms(n.PostedAt),
	})
	return added == 1, store.Failure(err)
}

func (s notices) List(ctx context.Context, tx work.Tx, account, before string, n int) ([]notice.Notice, error) {
	rows, err := store.Queries(tx).NoticesBefore(ctx, db.NoticesBeforeParams{Account: account, Before: before, Most: int32(n)})
	if err != nil {
		return nil, store.Failure(err)
	}
	out := make([]notice.Notice, len(rows))
	for i, r := range rows {
		title, err := s.UnsealText("notices", "title", r.ID, r.Title)
		if err != nil {
			return nil, err
		}
		body, err := s.UnsealText("notices", "body", r.ID, r.Body)
		if err != nil {
			return nil, err
		}
		out[i] = notice.Notice{
			ID: r.ID, Account: r.Account, Kind: r.Kind, Title: title, Body: body, Link: r.Link,
			Key: r.UniqueKey.String, PostedAt: store.At(r.PostedAt), ReadAt: store.At(r.ReadAt),
		}
	}
	return out, nil
}

func (notices) Unread(ctx context.Context, tx work.Tx, account string) (int, error) {
	n, err := store.Queries(tx).CountUnreadNotices(ctx, account)
	return int(n), store.Failure(err)
}

func (notices) MarkRead(ctx context.Context, tx work.Tx, account, id string, when time.Time) error {
	n, err := store.Queries(tx).MarkNoticeRead(ctx, db.MarkNoticeReadParams{ID: id, Account: account, ReadAt: store.Ms(when)})
	if err == nil && n == 0 {
		return work.ErrNotFound
	}
	return store.Failure(err)
}

func (notices) MarkAllRead(ctx context.Context, tx work.Tx, account string, when time.Time) error {
	return store.Failure(store.Queries(tx).MarkNoticesRead(ctx, db.MarkNoticesReadParams{Account: account, ReadAt: store.Ms(when)}))
}
