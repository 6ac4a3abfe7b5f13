// Command player plays the tape in the file that is named to it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"tianweitong/test/replay"
)

func main() {
	if err := play(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("the same")
}

func play(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var t replay.Tape
	if err := json.Unmarshal(b, &t); err != nil {
		return err
	}
	return replay.Play(t)
}
