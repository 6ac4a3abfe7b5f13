package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/emmansun/gmsm/sm3"

	"tianweitong/internal/config"
	"tianweitong/internal/fsck"
	"tianweitong/internal/httpapi/app"
	"tianweitong/internal/httpapi/app/enterprises"
	"tianweitong/internal/httpapi/console"
	"tianweitong/internal/platformapi"
)

// prepared opens stores, keys and authority without listeners and without
// serving: what one-off commands need. The doors' addresses stay those of the
// serving house, because they stand in what it stores.
func prepared(ctx context.Context, c config.Config, o Options) (*App, error) {
	o.shut = true
	return New(ctx, c, o)
}

// Ceremony makes the keys and certificates that are missing and describes the
// result: the root's fingerprint (SM3) goes to whoever must recognise it.
func Ceremony(ctx context.Context, c config.Config, o Options) ([]string, error) {
	a, err := prepared(ctx, c, o)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if err := a.house.ca.Ceremony(ctx); err != nil {
		return nil, err
	}
	root, err := a.house.ca.Root()
	if err != nil {
		return nil, err
	}
	sum := sm3.Sum(root)
	return []string{"根证书指纹 (SM3): " + hex.EncodeToString(sum[:])}, nil
}

// Fsck rereads everything.
func Fsck(ctx context.Context, c config.Config, o Options) (fsck.Report, error) {
	a, err := prepared(ctx, c, o)
	if err != nil {
		return fsck.Report{}, err
	}
	defer a.Close()
	return a.Fsck(ctx)
}

// Fsck rereads everything of a house, serving or not.
func (a *App) Fsck(ctx context.Context) (fsck.Report, error) {
	return fsck.Run(ctx, fsck.Deps{
		Runner: a.store, Audit: a.store.Audit(), Money: a.store, CA: a.house.ca, Usage: a.house.usage, Statements: a.house.verifyCheckpoint, Clock: a.Clock,
	})
}

// OpenAPI gives the documents of the two APIs in YAML, by name.
func OpenAPI(version string) (map[string][]byte, error) {
	appAPI, err := app.New(app.Deps{Base: app.Base{Version: version, Rand: rand.Reader}, Rooms: []app.Room{new(enterprises.Service)}}).OpenAPI()
	if err != nil {
		return nil, fmt.Errorf("the app API's document: %w", err)
	}
	consoleAPI, err := console.New(console.Deps{Base: console.Base{Version: version, Rand: rand.Reader}}).OpenAPI()
	if err != nil {
		return nil, fmt.Errorf("the console API's document: %w", err)
	}
	platform := platformapi.New(platformapi.Deps{Version: version, Rand: rand.Reader})
	defer platform.Close()
	platformAPI, err := platform.OpenAPI()
	return map[string][]byte{"app": appAPI, "console": consoleAPI, "platform": platformAPI}, err
}
