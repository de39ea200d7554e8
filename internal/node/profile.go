package node

import (
	"net/http"
	"net/http/pprof"
)

// profiles serves the profiles of the process, for the control listener alone. (The import also registers them with the default
// mux, which nothing serves.)
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux // not cmdline, which may have secrets
}
