package main

import (
	"log/slog"
	"os"
	"testing"

	"tianweitong/internal/app"
	"tianweitong/internal/config"
)

func TestAdminMakesOfficersOfAHouseThatIsThere(t *testing.T) {
	dir := t.TempDir()
	admin := func(want int, args ...string) {
		t.Helper()
		if got := run(append(append([]string{"admin"}, args...), "--data", dir)); got != want {
			t.Errorf("%v ends with %d, want %d", args, got, want)
		}
	}
	admin(1, "create", "--name", "first")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("without a house it left %v, %v", left, err)
	}
	c, err := config.Config{Data: dir}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	_, done, err := app.Officers(t.Context(), c, app.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	admin(0, "create", "--name", "first")
	admin(1, "create", "--name", "first")
	admin(1, "create", "--name", "second", "--role", "verifier")
	admin(0, "create", "--name", "second", "--role", "verifier", "--phone", "13900000001")
	admin(0, "reset", "--name", "first")
	admin(1, "reset", "--name", "nobody")
}
