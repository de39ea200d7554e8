package control

import (
	"fmt"
	"time"

	"headwater.stream/api"
)

// Quotas bound how much of a resource there may be; they protect the machine from a script that runs wild.
type Quotas struct {
	LiveEvents         int
	OutputsPerEvent    int
	OutputsPerBasic    int // of an event of type PassthroughBasic
	StreamingEndpoints int
	Assets             int
	LocatorsPerAsset   int
	StreamingPolicies  int
	AccountFilters     int
	FiltersPerAsset    int
	BasicArchive       time.Duration // longest archiveWindowLength on PassthroughBasic
}

// GenerousQuotas are far above what one machine is used for.
func GenerousQuotas() Quotas {
	return Quotas{LiveEvents: 1000, OutputsPerEvent: 50, OutputsPerBasic: 50, StreamingEndpoints: 100, Assets: 1_000_000,
		LocatorsPerAsset: 100, StreamingPolicies: 1000, AccountFilters: 1000, FiltersPerAsset: 1000, BasicArchive: maxArchive}
}

// AMSQuotas are those of Azure Media Services (ams-v3 §11.1).
func AMSQuotas() Quotas {
	return Quotas{LiveEvents: 5, OutputsPerEvent: 3, OutputsPerBasic: 1, StreamingEndpoints: 2, Assets: 1_000_000,
		LocatorsPerAsset: 100, StreamingPolicies: 100, AccountFilters: 100, FiltersPerAsset: 100, BasicArchive: 8 * time.Hour}
}

// QuotasNamed returns the quotas of that name: generous (or "") or ams.
func QuotasNamed(name string) (Quotas, error) {
	switch name {
	case "", "generous":
		return GenerousQuotas(), nil
	case "ams":
		return AMSQuotas(), nil
	}
	return Quotas{}, fmt.Errorf("there are no quotas called %q: generous or ams", name)
}

func checkQuota(have, limit int, what string) error {
	if have < limit {
		return nil
	}
	return &api.Error{Code: api.CodeQuotaExceeded, Message: fmt.Sprintf("The limit of %d %s is reached.", limit, what),
		Hint: "Delete one that is not needed, or start the server with larger quotas."}
}
