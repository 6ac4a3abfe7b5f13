package store

import (
	"os"
	"syscall"
)

// lockFile takes the file's lock or fails at once. The house runs on Unix.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
