package httpapi

// Held returns what is taken of the budget.
func (a *API) Held() int64 { return a.held.used.Load() }
