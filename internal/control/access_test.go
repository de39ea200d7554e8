package control_test

import (
	"strings"
	"testing"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/state/memstate"
)

// TestLocatorAccess: keys go in and never come out; a wrong restriction is refused; a change is one of access alone and is
// there after a restart.
func TestLocatorAccess(t *testing.T) {
	store := memstate.New()
	p := start(t, store, control.Quotas{})
	if a := p.raw(t, "PUT", "~/assets/a", `{}`); a.status != 201 {
		t.Fatal(a.raw)
	}
	const secret, other = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="
	symmetric := func(value string) string {
		return `{"@odata.type":"#Microsoft.Media.ContentKeyPolicySymmetricTokenKey","keyValue":"` + value + `"}`
	}
	const head = `{"properties":{"assetName":"a","streamingPolicyName":"Predefined_ClearStreamingOnly","streamingLocatorId":"0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9"`
	restricted := `{"tokenRestriction":{"@odata.type":"#Microsoft.Media.ContentKeyPolicyTokenRestriction","issuer":"me","restrictionTokenType":"jwt",` +
		`"primaryVerificationKey":` + symmetric(secret) + `,"alternateVerificationKeys":[` + symmetric(other) + `]}}`
	answers := []answer{
		p.raw(t, "PUT", "~/streamingLocators/l", head+`,"access":`+restricted+`}}`),
		p.raw(t, "GET", "~/streamingLocators/l", ""),
		p.raw(t, "GET", "~/streamingLocators", ""),
		p.raw(t, "POST", "~/streamingLocators/l/setAccess", restricted),
		p.raw(t, "POST", "~/assets/a/listStreamingLocators", ""),
	}
	for i, a := range answers {
		if a.status/100 != 2 || strings.Contains(a.raw, secret) || strings.Contains(a.raw, other) || strings.Contains(a.raw, "keyValue") {
			t.Errorf("answer %d: %d %s", i, a.status, a.raw)
		}
	}
	if a := answers[1]; a.property("properties.access.tokenRestriction.audience") != "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9" ||
		a.property("properties.access.tokenRestriction.issuer") != "me" || !strings.Contains(a.raw, "SymmetricTokenKey") {
		t.Errorf("shown as %s", a.raw)
	}
	for body, want := range map[string]string{
		`{"tokenRestriction":{}}`: "primaryVerificationKey",
		`{"tokenRestriction":{"primaryVerificationKey":` + symmetric("c2hvcnQ=") + `}}`:                                        "32 bytes",
		`{"tokenRestriction":{"primaryVerificationKey":` + symmetric(secret) + `,"restrictionTokenType":"Swt"}}`:               "has to be Jwt",
		`{"tokenRestriction":{"primaryVerificationKey":{"@odata.type":"#Microsoft.Media.ContentKeyPolicySymmetricTokenKey"}}}`: "keyValue", // as it was read
		`{"tokenRestriction":7}`: "",
		`{"tokenRestrictions":{"primaryVerificationKey":` + symmetric(secret) + `}}`:             "tokenRestrictions", // it would let everybody in
		`{"tokenRestriction":{"primaryVerificationKey":` + symmetric(secret) + `,"isuer":"me"}}`: "isuer",
	} {
		for path, body := range map[string]string{"~/streamingLocators/l/setAccess": body, "~/streamingLocators/m": head + `,"access":` + body + `}}`} {
			method := "POST"
			if strings.HasSuffix(path, "m") {
				method = "PUT"
			}
			if a := p.raw(t, method, path, body); a.status != 400 || !strings.Contains(a.raw, want) || strings.Contains(a.raw, secret) {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.raw)
			}
		}
	}
	if a := p.raw(t, "POST", "~/streamingLocators/none/setAccess", restricted); a.status != 404 {
		t.Errorf("of a locator that is not there: %d", a.status)
	}
	if a := p.raw(t, "POST", "~/streamingLocators/l/setAccess", restricted, "If-Match", `"no"`); a.status != 412 {
		t.Errorf("of another version: %d", a.status)
	}
	if d := p.runtime.desired(); len(d.Locators) != 1 || d.Locators[0].Access == nil {
		t.Errorf("desired: %+v", d.Locators)
	}
	before := p.runtime.desired().Locators[0].Access
	p.stop()

	p = start(t, store, control.Quotas{})
	must[*api.StreamingLocator](t)(p.GetStreamingLocator(t.Context(), "l"))
	if d := p.runtime.desired(); len(d.Locators) != 1 || !d.Locators[0].Access.Equal(before) {
		t.Error("after a restart the locator requires something else")
	}
	if a := p.raw(t, "POST", "~/streamingLocators/l/setAccess", `{}`); a.status != 200 || strings.Contains(a.raw, "access") {
		t.Errorf("open to everybody: %d %s", a.status, a.raw)
	}
	if d := p.runtime.desired(); d.Locators[0].Access != nil {
		t.Error("the runtime still asks for tokens")
	}
}
