package keysources_test

import (
	"testing"

	"github.com/gitseal/gitseal/keysources"
	"github.com/google/go-cmp/cmp"
)

func fields(kv ...string) []keysources.Field {
	var out []keysources.Field
	for i := 0; i < len(kv); i += 2 {
		out = append(out, keysources.Field{Name: kv[i], Value: kv[i+1]})
	}
	return out
}

func TestStanzaNamesItsReader(t *testing.T) {
	tests := []struct {
		typ    string
		fields []keysources.Field
		want   string
	}{
		{keysources.TypeAge, fields("recipient", "age1xyz", "enc", "e"), "age1xyz"},
		{keysources.TypePGP, fields("created_at", "t", "enc", "e", "fp", "85D77543B3D624B6"), "85D77543B3D624B6"},
		{keysources.TypeKMS, fields("arn", "arn:aws:kms:us-east-1:1:key/x"), "arn:aws:kms:us-east-1:1:key/x"},
		{keysources.TypeGCP, fields("resource_id", "projects/p/k"), "projects/p/k"},
		{keysources.TypeAzure, fields("vault_url", "https://v", "name", "n", "version", "1"), "https://v/keys/n/1"},
		{keysources.TypeVault, fields("vault_address", "https://v", "engine_path", "transit", "key_name", "k"), "https://v/v1/transit/keys/k"},
		{keysources.TypeHCKMS, fields("key_id", "region:1"), "region:1"},
		{"new", fields("enc", "e"), "new"},
	}
	for _, tt := range tests {
		t.Run(tt.typ, func(t *testing.T) {
			s := keysources.Stanza{Type: tt.typ, Fields: tt.fields}
			if got := s.Reader(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got, want := s.String(), tt.typ+" "+tt.want; got != want {
				t.Errorf("String: got %q, want %q", got, want)
			}
			if got := s.Get("no such field"); got != "" {
				t.Errorf("an absent field: got %q", got)
			}
		})
	}
}

func TestTypesAreInAlphabeticalOrder(t *testing.T) {
	want := []string{"age", "azure_kv", "gcp_kms", "hc_vault", "hckms", "kms", "pgp"}
	if diff := cmp.Diff(want, keysources.Types()); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}
