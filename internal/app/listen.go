package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// door is one listener with its server.
type door struct {
	name     string
	listener net.Listener
	server   *http.Server
}

// serve runs every door until ctx ends, then lets requests at hand finish.
func (a *App) serve(ctx context.Context) error {
	failed := make(chan error, len(a.doors))
	for _, d := range a.doors {
		go func() {
			if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("the %s listener: %w", d.name, err)
			}
		}()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	for _, d := range a.doors {
		if e := d.server.Shutdown(grace); e != nil {
			d.server.Close()
		}
	}
	return err
}
