package timeline

// Abandon stops a timeline's goroutines and does nothing else, as the end of the process would.
func (t *Timeline) Abandon() {
	t.cancel()
	t.wg.Wait()
}
