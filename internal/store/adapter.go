package store

import (
	"database/sql"
	"time"

	"tianweitong/internal/store/db"
	"tianweitong/internal/work"
)

// What the adapters in the packages below this one share with those here.

// Queries gives the generated queries inside a transaction of this package.
func Queries(t work.Tx) *db.Queries { return queries(t) }

// Raw gives the SQL transaction, for the few searches whose text depends on
// what is searched for.
func Raw(t work.Tx) *sql.Tx { return raw(t) }

// Failure maps an engine's error to package work's where that has a word for it.
func Failure(err error) error { return failure(err) }

// Swapped turns the row count of a compare-and-swap into work.ErrConflict.
func Swapped(n int64, err error) error { return swapped(n, err) }

// Ms is a time as the stores keep it: Unix milliseconds UTC, 0 for none.
func Ms(t time.Time) int64 { return ms(t) }

// At is the inverse of Ms.
func At(unixMilli int64) time.Time { return at(unixMilli) }

// Optional is NULL for an empty string.
func Optional(s string) sql.NullString { return optional(s) }

// NotNil is an empty slice for nil.
func NotNil(b []byte) []byte { return notNil(b) }

// SealText encrypts a column for its row; an empty value stays empty.
func (st *Store) SealText(table, column, row, plain string) ([]byte, error) {
	return st.seal(table, column, row, plain)
}

// UnsealText is the inverse of SealText.
func (st *Store) UnsealText(table, column, row string, sealed []byte) (string, error) {
	return st.unseal(table, column, row, sealed)
}
