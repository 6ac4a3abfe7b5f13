package custody

// Interrupt makes f stand for a crash between two steps: see Module.interrupt.
func (m *Module) Interrupt(f func(step string) error) { m.interrupt = f }

// Boot names the life of the process that a module believes to be in.
func (m *Module) Boot() string { return m.boot }

// Nonces is how many ω the process holds.
func (m *Module) Nonces() int {
	m.open.mu.Lock()
	defer m.open.mu.Unlock()
	return len(m.open.byID)
}
