package control_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"headwater.stream/api"
)

// TestPages: the link is followed as it is given; every item comes once, also when others come and go meanwhile.
func TestPages(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()
	const count = 1203
	for _, i := range rand.Perm(count) {
		a := &api.Asset{Properties: api.AssetProperties{AlternateID: fmt.Sprint("alt", i%3)}}
		if _, _, err := p.svc.PutAsset(ctx, fmt.Sprintf("a%04d", i), a, api.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	pages := 0
	for next := "~/assets?%24orderby=name+desc&%24filter=name+ge+%27a0003%27"; next != ""; pages++ {
		a := p.raw(t, "GET", next, "")
		if a.status != 200 {
			t.Fatalf("%s: %d %s", next, a.status, a.raw)
		}
		for _, v := range a.body["value"].([]any) {
			names = append(names, v.(map[string]any)["name"].(string))
		}
		next, _ = a.body["@odata.nextLink"].(string)
		if next != "" && (!strings.HasPrefix(next, p.url+"/") || !strings.Contains(next, "api-version=2022-08-01") || !strings.Contains(next, "%24filter=") || strings.Contains(next, " ")) {
			t.Errorf("the link is %s", next)
		}
		// An insert and a delete behind and before the reader.
		must[*api.Asset](t)(p.PutAsset(ctx, fmt.Sprintf("z%d", pages), &api.Asset{}))
		must[bool](t)(p.DeleteAsset(ctx, names[len(names)-1]))
	}
	if len(names) != count-3 || pages != 3 || !slices.IsSortedFunc(names, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("%d names in %d pages", len(names), pages)
	}
	top := 700
	for _, c := range []struct {
		o    api.ListOptions
		want int
	}{
		{api.ListOptions{Top: &top}, 700},
		{api.ListOptions{Filter: "name eq 'A0007'"}, 1},
		{api.ListOptions{Filter: "name gt 'a0999' and name le 'a1002'"}, 3},
		{api.ListOptions{Filter: "properties/alternateId eq 'alt1' and name lt 'a0010'"}, 3},
		{api.ListOptions{Filter: "properties/created ge 2020-01-01T00:00:00Z and properties/created lt 2020-01-02"}, 0},
		{api.ListOptions{Filter: "name eq 'it''s'"}, 0},
	} {
		got, err := p.ListAssets(ctx, c.o)
		if err != nil || len(got) != c.want {
			t.Errorf("%+v: %d items, %v, want %d", c.o, len(got), err, c.want)
		}
	}
	for _, bad := range []string{"name", "name eq", "name eq 'a' or name eq 'b'", "startswith(name,'a')", "name has 'a'", "colour eq 'red'", "name eq 'a", "properties/created gt 'soon'", "(name eq 'a')", "name eq 'a' and"} {
		if a := p.raw(t, "GET", "~/assets?$filter="+url.QueryEscape(bad), ""); a.status != 400 {
			t.Errorf("$filter=%s: %d", bad, a.status)
		}
	}
	for _, bad := range []string{"$orderby=colour", "$orderby=name+sideways", "$top=0", "$top=x", "$skiptoken=x", "$filter=properties/alternateId+eq"} {
		if a := p.raw(t, "GET", "~/assets?"+bad, ""); a.status != 400 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	one := 1
	newest := must[[]*api.Asset](t)(p.ListAssets(ctx, api.ListOptions{OrderBy: "properties/created desc", Top: &one}))
	if len(newest) != 1 || newest[0].Name != "z2" {
		t.Errorf("the newest asset: %v", newest)
	}
}
