package account

import "sync/atomic"

// FitPassword is for the table of the rules.
var FitPassword = fitPassword

// CountStretches counts how often a password is stretched from now on.
func (s *Service) CountStretches(n *atomic.Int64) {
	key := s.stretcher.Key
	s.stretcher.Key = func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
		n.Add(1)
		return key(password, salt, time, memory, threads, keyLen)
	}
}
