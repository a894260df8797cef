// Package allow collects what the user has agreed to: which addresses, roles,
// profiles and plugins may be used although only a file names them.
//
// A sealed file and the .sops.yaml beside it come from whoever may write the
// repository. What they name is therefore used only if the user's own environment
// or configuration names it, too.
package allow

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gitseal/gitseal/keysources"
)

// Variable holds entries of the user's: KIND=VALUE, separated by spaces or commas.
const Variable = "GITSEAL_ALLOW"

// File returns where a user's own entries are kept, "" if there is no such place.
func File(env func(string) string) string {
	dir := env("XDG_CONFIG_HOME")
	if dir == "" {
		switch home := env("HOME"); {
		case runtime.GOOS == "windows":
			dir = env("AppData")
		case home == "":
		case runtime.GOOS == "darwin":
			dir = filepath.Join(home, "Library", "Application Support")
		default:
			dir = filepath.Join(home, ".config")
		}
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "gitseal", "allow")
}

// maxFile bounds the user's file in bytes.
const maxFile = 1 << 20

// Policy returns what the environment, the user's file and further entries allow.
//
// Of the environment, that is what the variable GITSEAL_ALLOW lists, and what the
// variables of the services themselves name: VAULT_ADDR, BAO_ADDR, the addresses in
// SOPS_VAULT_URIS, SOPS_HC_VAULT_ALLOWLIST and SOPS_AZURE_KEYVAULT_URLS, AWS_PROFILE,
// AWS_ROLE_ARN, and the roles in SOPS_KMS_ARN.
func Policy(env func(string) string, entries ...string) (keysources.Policy, error) {
	p, err := keysources.ParsePolicy(env(Variable))
	if err != nil {
		return p, fmt.Errorf("%s: %w", Variable, err)
	}
	p = p.With(named(env)...)
	if name := File(env); name != "" {
		if p, err = addFile(p, name); err != nil {
			return p, err
		}
	}
	for _, e := range entries {
		more, err := keysources.ParsePolicy(e)
		if err != nil {
			return p, fmt.Errorf("--allow: %w", err)
		}
		p = p.With(more.Entries()...)
	}
	return p, nil
}

func addFile(p keysources.Policy, name string) (keysources.Policy, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if info.Size() > maxFile || !info.Mode().IsRegular() {
		return p, fmt.Errorf("%s: not a list of entries", name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return p, err
	}
	more, err := keysources.ParsePolicy(string(text))
	if err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	return p.With(more.Entries()...), nil
}

// named returns the uses that the services' own variables name.
func named(env func(string) string) []keysources.Use {
	var out []keysources.Use
	add := func(kind, value string) {
		// A star at the end would mean more to a policy than it does there.
		if value = strings.TrimSpace(value); value != "" && !strings.Contains(value, "*") {
			out = append(out, keysources.Use{Kind: kind, Value: value})
		}
	}
	for _, v := range []string{"VAULT_ADDR", "BAO_ADDR"} {
		add(keysources.UseVault, env(v))
	}
	for _, uri := range commas(env("SOPS_VAULT_URIS")) {
		add(keysources.UseVault, addressOf(uri))
	}
	for _, prefix := range commas(env("SOPS_HC_VAULT_ALLOWLIST")) {
		add(keysources.UseVault, addressOf(prefix)) // "all" names none
	}
	for _, uri := range commas(env("SOPS_AZURE_KEYVAULT_URLS")) {
		if u, err := url.Parse(uri); err == nil && u.Host != "" {
			add(keysources.UseAzure, u.Scheme+"://"+u.Host)
		}
	}
	add(keysources.UseKMSProfile, env("AWS_PROFILE"))
	add(keysources.UseKMSRole, env("AWS_ROLE_ARN"))
	for _, arn := range commas(env("SOPS_KMS_ARN")) {
		_, role, _ := strings.Cut(arn, "+")
		add(keysources.UseKMSRole, role)
	}
	return out
}

// addressOf returns the address in the URL of a transit key, or in an entry of
// sops's own list, "" if that means every address.
func addressOf(uri string) string {
	address, _, _ := strings.Cut(uri, "/v1/")
	if u, err := url.Parse(address); err != nil || u.Host == "" {
		return ""
	}
	return address
}

func commas(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
