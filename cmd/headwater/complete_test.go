package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// commandOf says for every operation of the control API which command does it, or in brackets why none does.
var commandOf = map[string]string{
	"Mediaservices_Get": "account show", "Mediaservices_Update": "account update", "Mediaservices_CreateOrUpdate": "account update",
	"Mediaservices_List": "(one account)", "Mediaservices_ListBySubscription": "(one account)",
	"Mediaservices_Delete": "(always refused)", "Mediaservices_SyncStorageKeys": "(always refused)", "Mediaservices_ListEdgePolicies": "(always refused)",
	"LiveEvents_List": "event list", "LiveEvents_Get": "event show", "LiveEvents_Create": "event create", "LiveEvents_Update": "event update", "LiveEvents_Delete": "event delete",
	"LiveEvents_Allocate": "event allocate", "LiveEvents_Start": "event start", "LiveEvents_Stop": "event stop", "LiveEvents_Reset": "event reset",
	"LiveEvents_ListGetStatus": "event status", "LiveEvents_ListGetStreamEvents": "event events", "LiveEvents_ListGetTrackIngestHeartbeats": "event heartbeats",
	"LiveEvents_GetDoctorReport": "event doctor",
	"LiveEvents_AsyncOperation":  "(commands wait)", "LiveEvents_OperationLocation": "(commands wait)",
	"LiveOutputs_List": "output list", "LiveOutputs_Get": "output show", "LiveOutputs_Create": "output create", "LiveOutputs_Delete": "output delete",
	"LiveOutputs_AsyncOperation": "(commands wait)", "LiveOutputs_OperationLocation": "(commands wait)",
	"StreamingEndpoints_List": "endpoint list", "StreamingEndpoints_Get": "endpoint show", "StreamingEndpoints_Create": "endpoint create", "StreamingEndpoints_Update": "endpoint update",
	"StreamingEndpoints_Delete": "endpoint delete", "StreamingEndpoints_Start": "endpoint start", "StreamingEndpoints_Stop": "endpoint stop", "StreamingEndpoints_Scale": "endpoint scale",
	"StreamingEndpoints_Skus": "endpoint skus", "StreamingEndpoints_AsyncOperation": "(commands wait)", "StreamingEndpoints_OperationLocation": "(commands wait)",
	"Assets_List": "asset list", "Assets_Get": "asset show", "Assets_CreateOrUpdate": "asset create", "Assets_Update": "asset update", "Assets_Delete": "asset delete",
	"Assets_ListStreamingLocators": "asset show", "Assets_Import": "asset import", "Assets_Clip": "asset clip", "Assets_ListContainerSas": "(always refused)", "Assets_GetEncryptionKey": "(always refused)",
	"Tracks_List": "asset tracks", "Tracks_Get": "asset tracks", "Tracks_CreateOrUpdate": "(always refused)", "Tracks_Update": "(always refused)", "Tracks_Delete": "(always refused)",
	"Tracks_UpdateTrackData": "(always refused)",
	"AssetFilters_List":      "filter list", "AssetFilters_Get": "filter show", "AssetFilters_CreateOrUpdate": "filter create", "AssetFilters_Update": "filter update", "AssetFilters_Delete": "filter delete",
	"AccountFilters_List": "filter list", "AccountFilters_Get": "filter show", "AccountFilters_CreateOrUpdate": "filter create", "AccountFilters_Update": "filter update", "AccountFilters_Delete": "filter delete",
	"StreamingLocators_List": "locator list", "StreamingLocators_Get": "locator show", "StreamingLocators_Create": "locator create", "StreamingLocators_Delete": "locator delete",
	"StreamingLocators_GetAudience": "locator audience", "StreamingLocators_ListPaths": "locator paths", "StreamingLocators_SetAccess": "locator access", "StreamingLocators_ListContentKeys": "(there are none)",
	"StreamingPolicies_List": "policy list", "StreamingPolicies_Get": "policy show", "StreamingPolicies_Create": "policy create", "StreamingPolicies_Delete": "policy delete",
	"ContentKeyPolicies_List": "(there are none)", "ContentKeyPolicies_Get": "(there are none)", "ContentKeyPolicies_CreateOrUpdate": "(always refused)", "ContentKeyPolicies_Update": "(there are none)",
	"ContentKeyPolicies_Delete": "(there are none)", "ContentKeyPolicies_GetPolicyPropertiesWithSecrets": "(there are none)",
	"AccessTokens_List": "token list", "AccessTokens_Get": "token list", "AccessTokens_Create": "token create", "AccessTokens_Delete": "token revoke",
	"Webhooks_List": "webhook list", "Webhooks_Get": "webhook show", "Webhooks_Create": "webhook create", "Webhooks_Delete": "webhook delete", "Webhooks_Test": "webhook test", "Webhooks_ListDeliveries": "webhook log",
	"Health": "(for monitors)", "Ready": "(for monitors)", "OpenAPI": "(for programs)", "Events": "events",
}

// TestComplete: every operation of the API has a command, or a reason for having none.
func TestComplete(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "api", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for path, item := range doc.Paths {
		for method, raw := range item {
			var op struct{ OperationID string }
			if method == "parameters" {
				continue
			}
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatal(err)
			}
			seen++
			command, ok := commandOf[op.OperationID]
			if !ok {
				t.Errorf("%s %s (%s) has no command", method, path, op.OperationID)
			}
			if strings.HasPrefix(command, "(") {
				continue
			}
			words := strings.Fields(command)
			if cmd, _, err := (&app{}).root().Find(words); err != nil || cmd.Name() != words[len(words)-1] || cmd.RunE == nil {
				t.Errorf("%s: there is no command %q", op.OperationID, command)
			}
		}
	}
	if seen != len(commandOf) {
		t.Errorf("%d operations, %d in the table", seen, len(commandOf))
	}
}
