package store

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schema is a set of migrations; the key-management centre has one of its own.
type schema struct {
	files fs.FS
	dir   string
}

var mainSchema = schema{migrations, "migrations"}

func migrate(ctx context.Context, d *sql.DB, e Engine, s schema) error {
	dir, err := fs.Sub(s.files, s.dir)
	if err != nil {
		return err
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if e == Postgres {
		// Two processes that start together must not migrate together.
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return err
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, d, dir, options...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}
