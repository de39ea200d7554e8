package control_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ams "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/mediaservices/armmediaservices/v3"
)

func sdkAccounts(t *testing.T, s *sdk) {
	ctx := t.Context()
	if all := collect(t, s.account.NewListPager(sdkGroup, nil), func(p ams.ClientListResponse) []*ams.MediaService { return p.Value }); len(all) != 1 {
		t.Errorf("list of the group: %v", all)
	}
	if all := collect(t, s.account.NewListBySubscriptionPager(nil), func(p ams.ClientListBySubscriptionResponse) []*ams.MediaService { return p.Value }); len(all) != 1 || *all[0].Name != sdkAccount {
		t.Errorf("list of the subscription: %v", all)
	}
	u := poll[ams.ClientUpdateResponse](t)(s.account.BeginUpdate(ctx, sdkGroup, sdkAccount, ams.MediaServiceUpdate{Tags: map[string]*string{"k": to.Ptr("v")}}, nil))
	if *u.Tags["k"] != "v" || *u.Location != "local" {
		t.Errorf("update: %+v", u)
	}
	got, err := s.account.Get(ctx, sdkGroup, sdkAccount, nil)
	if err != nil || *got.Tags["k"] != "v" {
		t.Errorf("after the update: %+v, %v", got, err)
	}
	got.Tags = map[string]*string{"n": to.Ptr("m")}
	c := poll[ams.ClientCreateOrUpdateResponse](t)(s.account.BeginCreateOrUpdate(ctx, sdkGroup, sdkAccount, got.MediaService, nil))
	if c.Tags["k"] != nil || *c.Tags["n"] != "m" || c.SystemData == nil {
		t.Errorf("what was read is written: %+v", c)
	}
	r := refusals{t}
	got.Properties.Encryption = &ams.AccountEncryption{Type: to.Ptr(ams.AccountEncryptionKeyTypeCustomerKey)}
	_, err = s.account.BeginCreateOrUpdate(ctx, sdkGroup, sdkAccount, got.MediaService, nil)
	r.want("customer key", err, 400, "BadRequest")
	_, err = s.account.BeginUpdate(ctx, sdkGroup, sdkAccount, ams.MediaServiceUpdate{Properties: &ams.MediaServiceProperties{PublicNetworkAccess: to.Ptr(ams.PublicNetworkAccessDisabled)}}, nil)
	r.want("private network", err, 400, "BadRequest")
	_, err = s.account.BeginCreateOrUpdate(ctx, sdkGroup, sdkAccount, ams.MediaService{}, nil)
	r.want("no location", err, 400, "LocationRequired")
	_, err = s.account.BeginCreateOrUpdate(ctx, sdkGroup, "another", got.MediaService, nil)
	r.want("another account", err, 404, "ResourceNotFound")
	_, err = s.account.Delete(ctx, sdkGroup, sdkAccount, nil)
	r.want("delete", err, 409, "Conflict")
	_, err = s.account.SyncStorageKeys(ctx, sdkGroup, sdkAccount, ams.SyncStorageKeysInput{ID: to.Ptr("x")}, nil)
	r.want("syncStorageKeys", err, 400, "BadRequest")
	_, err = s.account.ListEdgePolicies(ctx, sdkGroup, sdkAccount, ams.ListEdgePoliciesInput{}, nil)
	r.want("listEdgePolicies", err, 400, "BadRequest")
	if got, err := s.account.Get(ctx, sdkGroup, sdkAccount, nil); err != nil || *got.Tags["n"] != "m" {
		t.Errorf("after what was refused: %+v, %v", got, err)
	}
}

func sdkTracks(t *testing.T, s *sdk) {
	ctx, r := t.Context(), refusals{t}
	poll[ams.LiveEventsClientCreateResponse](t)(s.events.BeginCreate(ctx, sdkGroup, sdkAccount, "tracks", sdkEvent(), nil))
	_, err := s.assets.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "tracked", ams.Asset{}, nil)
	check(t, err)
	list := func() []*ams.AssetTrack {
		return collect(t, s.tracks.NewListPager(sdkGroup, sdkAccount, "tracked", nil), func(p ams.TracksClientListResponse) []*ams.AssetTrack { return p.Value })
	}
	if all := list(); len(all) != 0 {
		t.Errorf("before a recording: %v", all)
	}
	poll[ams.LiveOutputsClientCreateResponse](t)(s.outputs.BeginCreate(ctx, sdkGroup, sdkAccount, "tracks", "o", sdkOutput("tracked"), nil))
	if all := list(); len(all) != 2 || *all[0].Name != "v1" {
		t.Errorf("tracks: %v", all)
	}
	got, err := s.tracks.Get(ctx, sdkGroup, sdkAccount, "tracked", "A1", nil)
	check(t, err)
	if audio, ok := got.Properties.Track.(*ams.AudioTrack); !ok || *audio.BitRate != 128000 || *audio.LanguageCode != "de" || *got.Properties.ProvisioningState != ams.ProvisioningStateSucceeded {
		t.Errorf("track: %+v", got.Properties)
	}
	if got, err := s.tracks.Get(ctx, sdkGroup, sdkAccount, "tracked", "v1", nil); err != nil {
		t.Error(err)
	} else if _, ok := got.Properties.Track.(*ams.VideoTrack); !ok {
		t.Errorf("track: %+v", got.Properties)
	}
	text := ams.AssetTrack{Properties: &ams.AssetTrackProperties{Track: &ams.TextTrack{ODataType: to.Ptr("#Microsoft.Media.TextTrack"), FileName: to.Ptr("a.vtt")}}}
	_, err = s.tracks.BeginCreateOrUpdate(ctx, sdkGroup, sdkAccount, "tracked", "t1", text, nil)
	r.want("text track", err, 400, "BadRequest")
	_, err = s.tracks.BeginUpdate(ctx, sdkGroup, sdkAccount, "tracked", "a1", got.AssetTrack, nil)
	r.want("update", err, 400, "BadRequest")
	_, err = s.tracks.BeginUpdateTrackData(ctx, sdkGroup, sdkAccount, "tracked", "a1", nil)
	r.want("updateTrackData", err, 400, "BadRequest")
	_, err = s.tracks.BeginDelete(ctx, sdkGroup, sdkAccount, "tracked", "a1", nil)
	r.want("delete", err, 400, "BadRequest")
	poll[ams.TracksClientDeleteResponse](t)(s.tracks.BeginDelete(ctx, sdkGroup, sdkAccount, "tracked", "none", nil))
	_, err = s.tracks.Get(ctx, sdkGroup, sdkAccount, "tracked", "none", nil)
	r.want("absent", err, 404, "NotFound")
	_, err = s.tracks.BeginUpdate(ctx, sdkGroup, sdkAccount, "tracked", "none", text, nil)
	r.want("update of an absent one", err, 404, "NotFound")
	_, err = s.tracks.Get(ctx, sdkGroup, sdkAccount, "none", "a1", nil)
	r.want("of an absent asset", err, 404, "ParentResourceNotFound")
	poll[ams.LiveOutputsClientDeleteResponse](t)(s.outputs.BeginDelete(ctx, sdkGroup, sdkAccount, "tracks", "o", nil))
	poll[ams.LiveEventsClientDeleteResponse](t)(s.events.BeginDelete(ctx, sdkGroup, sdkAccount, "tracks", nil))
}

func sdkKeyPolicies(t *testing.T, s *sdk) {
	ctx, r := t.Context(), refusals{t}
	if all := collect(t, s.keys.NewListPager(sdkGroup, sdkAccount, nil), func(p ams.ContentKeyPoliciesClientListResponse) []*ams.ContentKeyPolicy { return p.Value }); len(all) != 0 {
		t.Errorf("list: %v", all)
	}
	policy := ams.ContentKeyPolicy{Properties: &ams.ContentKeyPolicyProperties{Options: []*ams.ContentKeyPolicyOption{{
		Configuration: &ams.ContentKeyPolicyClearKeyConfiguration{ODataType: to.Ptr("#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration")},
		Restriction:   &ams.ContentKeyPolicyOpenRestriction{ODataType: to.Ptr("#Microsoft.Media.ContentKeyPolicyOpenRestriction")},
	}}}}
	_, err := s.keys.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "k", policy, nil)
	r.want("create", err, 400, "BadRequest")
	_, err = s.keys.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "a.b", policy, nil)
	r.want("name", err, 400, "InvalidResourceName")
	_, err = s.keys.Update(ctx, sdkGroup, sdkAccount, "k", policy, nil)
	r.want("update", err, 404, "NotFound")
	_, err = s.keys.Get(ctx, sdkGroup, sdkAccount, "k", nil)
	r.want("get", err, 404, "NotFound")
	_, err = s.keys.GetPolicyPropertiesWithSecrets(ctx, sdkGroup, sdkAccount, "k", nil)
	r.want("secrets", err, 404, "NotFound")
	_, err = s.keys.Delete(ctx, sdkGroup, sdkAccount, "k", nil)
	check(t, err)
}
