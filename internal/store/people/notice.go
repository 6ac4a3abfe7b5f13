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
		ID: n.ID, Account: n.Account, Kind: n.Kind, Topic: string(notice.GroupOf(n.Kind)), Title: title, Body: body, Link: n.Link,
		UniqueKey: store.Optional(n.Key), PostedAt: store.Ms(n.PostedAt),
	})
	return added == 1, store.Failure(err)
}

func (s notices) List(ctx context.Context, tx work.Tx, account string, f notice.Filter, n int) ([]notice.Notice, error) {
	in := db.NoticesBeforeParams{Account: account, Before: f.Before, Topic: string(f.Group), Most: int32(n)}
	if f.Unread {
		in.Unread = 1
	}
	rows, err := store.Queries(tx).NoticesBefore(ctx, in)
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

func (notices) Unread(ctx context.Context, tx work.Tx, account string) (map[notice.Group]int, error) {
	rows, err := store.Queries(tx).CountUnreadNotices(ctx, account)
	out := map[notice.Group]int{}
	for _, r := range rows {
		out[notice.Group(r.Topic)] = int(r.N)
	}
	return out, store.Failure(err)
}

func (notices) MarkRead(ctx context.Context, tx work.Tx, account, id string, when time.Time) error {
	n, err := store.Queries(tx).MarkNoticeRead(ctx, db.MarkNoticeReadParams{ID: id, Account: account, ReadAt: store.Ms(when)})
	if err == nil && n == 0 {
		return work.ErrNotFound
	}
	return store.Failure(err)
}

func (notices) MarkAllRead(ctx context.Context, tx work.Tx, account string, g notice.Group, when time.Time) error {
	return store.Failure(store.Queries(tx).MarkNoticesRead(ctx, db.MarkNoticesReadParams{Account: account, Topic: string(g), ReadAt: store.Ms(when)}))
}

func (notices) Quiet(ctx context.Context, tx work.Tx, account string) ([]notice.Group, error) {
	rows, err := store.Queries(tx).QuietNotices(ctx, account)
	out := make([]notice.Group, len(rows))
	for i, r := range rows {
		out[i] = notice.Group(r)
	}
	return out, store.Failure(err)
}

func (notices) SetQuiet(ctx context.Context, tx work.Tx, account string, g notice.Group, quiet bool) error {
	if quiet {
		return store.Failure(store.Queries(tx).InsertQuietNotices(ctx, db.InsertQuietNoticesParams{Account: account, Topic: string(g)}))
	}
	return store.Failure(store.Queries(tx).DeleteQuietNotices(ctx, db.DeleteQuietNoticesParams{Account: account, Topic: string(g)}))
}
