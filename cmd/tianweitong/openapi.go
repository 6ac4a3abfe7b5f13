package main

import (
	"os"
	"path/filepath"

	"tianweitong/internal/app"
)

type openapiCmd struct {
	Out string `help:"Folder to write into." default:"docs/openapi" placeholder:"DIR"`
}

// Run writes app.yaml, console.yaml and platform.yaml.
func (c openapiCmd) Run() error {
	docs, err := app.OpenAPI(version)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	for name, b := range docs {
		if err := os.WriteFile(filepath.Join(c.Out, name+".yaml"), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
