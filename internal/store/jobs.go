package store

import (
	"context"
	"strings"
	"time"

	"tianweitong/internal/job"
	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

var _ job.Store = (*Store)(nil)

// ClaimJobs implements job.Store.
func (st *Store) ClaimJobs(ctx context.Context, of job.Topics, lease string, now, until time.Time, n int) ([]job.Claimed, error) {
	topics := " " + strings.Join(of.Names, " ") + " "
	// An empty table is the usual case: look with a reader before asking the writer.
	if st.engine == SQLite {
		due := false
		err := st.View(ctx, func(ctx context.Context, t work.Tx) (err error) {
			due, err = queries(t).AnyJobDue(ctx, db.AnyJobDueParams{Now: ms(now), Topics: topics, ExceptTopics: of.Except})
			return failure(err)
		})
		if err != nil || !due {
			return nil, err
		}
	}
	var out []job.Claimed
	err := st.Do(ctx, "job.claim", func(ctx context.Context, t work.Tx) error {
		rows, err := queries(t).ClaimJobs(ctx, db.ClaimJobsParams{
			Lease: lease, LeaseUntil: ms(until), Now: ms(now), MaxJobs: int32(n),
			Topics: topics, ExceptTopics: of.Except,
		})
		if err != nil {
			return failure(err)
		}
		out = make([]job.Claimed, len(rows))
		for i, r := range rows {
			out[i] = job.Claimed{ID: r.ID, Topic: r.Topic, Body: r.Body, Attempts: int(r.Attempts), Lease: lease}
		}
		return nil
	})
	return out, err
}

// FinishJob implements job.Store.
func (st *Store) FinishJob(ctx context.Context, c job.Claimed) error {
	return st.Do(ctx, "job.finish", func(ctx context.Context, t work.Tx) error {
		return held(queries(t).DeleteJob(ctx, db.DeleteJobParams{ID: c.ID, Lease: c.Lease}))
	})
}

// RetryJob implements job.Store.
func (st *Store) RetryJob(ctx context.Context, c job.Claimed, due time.Time, why string) error {
	return st.Do(ctx, "job.retry", func(ctx context.Context, t work.Tx) error {
		return held(queries(t).RescheduleJob(ctx, db.RescheduleJobParams{ID: c.ID, Lease: c.Lease, DueAt: ms(due), LastError: why}))
	})
}

// BuryJob implements job.Store.
func (st *Store) BuryJob(ctx context.Context, c job.Claimed, why string) error {
	return st.Do(ctx, "job.bury", func(ctx context.Context, t work.Tx) error {
		return held(queries(t).BuryJob(ctx, db.BuryJobParams{ID: c.ID, Lease: c.Lease, LastError: why}))
	})
}

// ReleaseJobs ends every lease. Only the process that has just claimed the
// database may call it: whoever held the leases is gone, and what it was doing
// need not wait for their end.
func (st *Store) ReleaseJobs(ctx context.Context) error {
	return st.Do(ctx, "job.release", func(ctx context.Context, t work.Tx) error {
		return failure(queries(t).ReleaseJobs(ctx))
	})
}

// CountJobs implements job.Store.
func (st *Store) CountJobs(ctx context.Context) ([]job.Count, error) {
	var out []job.Count
	err := st.View(ctx, func(ctx context.Context, t work.Tx) error {
		rows, err := queries(t).CountJobs(ctx)
		for _, r := range rows {
			out = append(out, job.Count{Topic: r.Topic, Dead: r.Dead, N: r.N})
		}
		return failure(err)
	})
	return out, err
}

// held turns the row count of a job's change into job.ErrLost: the lease ended
// and another runner has the job.
func held(n int64, err error) error {
	if err == nil && n == 0 {
		return job.ErrLost
	}
	return failure(err)
}
