package account

import "sync/atomic"

// FitPassword is for the table of the rules.
var FitPassword = fitPassword

// CountStretches counts how often a password is stretched from now on.
func (s *Service) CountStretches(n *atomic.Int64) {
	key := s.stretcher.key
	s.stretcher.key = func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
		n.Add(1)
		return key(password, salt, time, memory, threads, keyLen)
	}
}

// Restretched reads a stored password and writes it again.
func Restretched(s string) (string, error) {
	p, err := parseStretched(s)
	return p.String(), err
}
