package formats_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gitseal/gitseal/formats"
	"github.com/google/go-cmp/cmp"
)

func str(key, text string) formats.Meta {
	return formats.Meta{Key: key, Kind: formats.MetaString, Text: text}
}

func TestFlattenWritesPathsAsSopsDoes(t *testing.T) {
	tree := &formats.Meta{Items: []formats.Meta{
		str("version", "3.13.3"),
		{Key: "age", Kind: formats.MetaList, Items: []formats.Meta{
			{Items: []formats.Meta{str("enc", "a\nb"), str("recipient", "age1x")}},
			{Items: []formats.Meta{str("recipient", "age1y")}},
		}},
		{Key: "seal", Items: []formats.Meta{str("mac_", "m"), {Key: "deep", Items: []formats.Meta{str("er", "")}}}},
		{Key: "l", Kind: formats.MetaList, Items: []formats.Meta{{Kind: formats.MetaList, Items: []formats.Meta{str("", "x")}}}},
	}}
	want := []formats.Pair{
		{Key: "version", Text: "3.13.3"},
		{Key: "age__list_0__map_enc", Text: "a\nb"},
		{Key: "age__list_0__map_recipient", Text: "age1x"},
		{Key: "age__list_1__map_recipient", Text: "age1y"},
		{Key: "seal__map_mac_", Text: "m"},
		{Key: "seal__map_deep__map_er", Text: ""},
		{Key: "l__list_0__list_0", Text: "x"},
	}
	got, err := formats.Flatten(tree)
	if err != nil {
		t.Fatalf("flattening: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
	back, err := formats.Unflatten(got)
	if err != nil {
		t.Fatalf("unflattening: %v", err)
	}
	if !tree.Equal(back) {
		t.Errorf("got %+v back, want %+v", back, tree)
	}
}

func TestFlattenLeavesOutWhatHoldsNothing(t *testing.T) {
	tree := &formats.Meta{Items: []formats.Meta{
		{Key: "kms", Kind: formats.MetaList},
		{Key: "m"},
		{Key: "n", Kind: formats.MetaNull},
		{Key: "l", Kind: formats.MetaList, Items: []formats.Meta{{}, str("", "x")}},
		{Key: "b", Kind: formats.MetaBool, Text: "true"},
	}}
	got, err := formats.Flatten(tree)
	want := []formats.Pair{{Key: "l__list_0", Text: "x"}, {Key: "b", Text: "true"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, pairs (-want +got):\n%s", err, diff)
	}
}

func TestFlattenRefusesKeysThatLookLikePaths(t *testing.T) {
	for _, key := range []string{"", "a__map_b", "a__list_0", "a__map", "a__list", "__map_"} {
		_, err := formats.Flatten(&formats.Meta{Items: []formats.Meta{str(key, "x")}})
		if !errors.Is(err, formats.ErrMetadata) {
			t.Errorf("key %q: got %v, want ErrMetadata", key, err)
		}
	}
}

func TestUnflattenAcceptsListItemsInAnyOrder(t *testing.T) {
	got, err := formats.Unflatten([]formats.Pair{{"a__list_1", "y"}, {"b", "z"}, {"a__list_0", "x"}})
	want := &formats.Meta{Items: []formats.Meta{
		{Key: "a", Kind: formats.MetaList, Items: []formats.Meta{str("", "x"), str("", "y")}}, str("b", "z"),
	}}
	if err != nil || !want.Equal(got) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestUnflattenRefusesWhatIsAmbiguous(t *testing.T) {
	tests := []struct {
		name string
		keys []string
		want error
	}{
		{"key twice", []string{"a", "a"}, formats.ErrDuplicate},
		{"value and map", []string{"a", "a__map_b"}, formats.ErrMetadata},
		{"map and value", []string{"a__map_b", "a"}, formats.ErrMetadata},
		{"map and list", []string{"a__map_b", "a__list_0"}, formats.ErrMetadata},
		{"gap", []string{"a__list_0", "a__list_2", "c"}, formats.ErrMetadata},
		{"first missing", []string{"a__list_1", "c"}, formats.ErrMetadata},
		{"huge index", []string{"a__list_9999999999999999999999"}, formats.ErrMetadata},
		{"large index", []string{"a__list_1000000000"}, formats.ErrMetadata},
		{"negative index", []string{"a__list_-1"}, formats.ErrMetadata},
		{"signed index", []string{"a__list_+0"}, formats.ErrMetadata},
		{"padded index", []string{"a__list_00"}, formats.ErrMetadata},
		{"same index in two spellings", []string{"a__list_0", "a__list_00"}, formats.ErrMetadata},
		{"no index", []string{"a__list_"}, formats.ErrMetadata},
		{"index is a word", []string{"a__list_x"}, formats.ErrMetadata},
		{"empty key", []string{""}, formats.ErrMetadata},
		{"empty step", []string{"__map_a"}, formats.ErrMetadata},
		{"empty last step", []string{"a__map_"}, formats.ErrMetadata},
		{"too deep", []string{"a" + strings.Repeat("__map_a", formats.MaxDepth+1)}, formats.ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var pairs []formats.Pair
			for _, k := range tt.keys {
				pairs = append(pairs, formats.Pair{Key: k, Text: "secret"})
			}
			_, err := formats.Unflatten(pairs)
			if !errors.Is(err, tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestUnflattenIsLinear(t *testing.T) {
	const n = 200_000
	pairs := make([]formats.Pair, n)
	for i := range pairs {
		pairs[i].Key = "a__list_" + strconv.Itoa(n-1-i)
	}
	start := time.Now()
	m, err := formats.Unflatten(pairs)
	if err != nil || len(m.Items[0].Items) != n {
		t.Fatalf("got %v", err)
	}
	// A quadratic one takes minutes.
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v for %d pairs", d, n)
	}
}

func FuzzUnflatten(f *testing.F) {
	f.Add("a__list_0__map_enc", "a__list_1__map_enc", "b__map_c", "b")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		m, err := formats.Unflatten([]formats.Pair{{a, "1"}, {b, "2"}, {c, "3"}, {d, "4"}})
		if err != nil {
			return
		}
		pairs, err := formats.Flatten(m)
		if err != nil {
			t.Fatalf("flattening what was unflattened: %v", err)
		}
		back, err := formats.Unflatten(pairs)
		if err != nil || !m.Equal(back) {
			t.Errorf("got %+v, %v back, want %+v", back, err, m)
		}
	})
}

func TestSplice(t *testing.T) {
	tests := []struct {
		name    string
		patches []formats.Patch
		want    string
		ok      bool
	}{
		{"none", nil, "abcdef", true},
		{"in any order", []formats.Patch{{4, 5, "E"}, {0, 2, ""}, {6, 6, "!"}}, "cdEf!", true},
		{"insertions keep their order and come first", []formats.Patch{{2, 3, "C"}, {2, 2, "1"}, {2, 2, "2"}}, "ab12Cdef", true},
		{"overlap", []formats.Patch{{0, 3, "x"}, {2, 4, "y"}}, "", false},
		{"insertion inside another", []formats.Patch{{0, 3, "x"}, {2, 2, "y"}}, "", false},
		{"outside", []formats.Patch{{5, 7, "x"}}, "", false},
		{"backwards", []formats.Patch{{3, 2, "x"}}, "", false},
		{"negative", []formats.Patch{{-1, 2, "x"}}, "", false},
	}
	for _, tt := range tests {
		got, err := formats.Splice([]byte("abcdef"), tt.patches)
		var typed *formats.Error
		if tt.ok && (err != nil || string(got) != tt.want) || !tt.ok && !errors.As(err, &typed) {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}
