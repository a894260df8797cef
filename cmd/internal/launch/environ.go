package launch

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Environment is the environment that a program gets, under construction.
type Environment struct{ list []string }

// NewEnvironment takes over an environment (of the form of [os.Environ]) without
// what opens sealed files: no program needs that because it needs a password.
// If pristine, only what every program may expect is taken over. What keep names
// is taken over in any case.
func NewEnvironment(environ []string, pristine bool, keep []string) *Environment {
	e := &Environment{}
	for _, entry := range environ {
		name, _, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			continue
		}
		wanted := !isKeyVariable(name)
		if pristine {
			wanted = matches(pristineNames(), name)
		}
		if wanted || slices.Contains(keep, name) {
			e.list = append(e.list, entry)
		}
	}
	return e
}

// Set sets a variable.
func (e *Environment) Set(name, value string) {
	e.list = slices.DeleteFunc(e.list, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
	e.list = append(e.list, name+"="+value)
}

// List returns the environment in the form of [os.Environ]. It holds secrets.
func (e *Environment) List() []string { return e.list }

// String says nothing of the variables.
func (e *Environment) String() string { return "<environment>" }

// GoString is String.
func (e *Environment) GoString() string { return e.String() }

var validName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
})

// ValidName reports whether a variable of that name can be used everywhere.
func ValidName(name string) bool { return validName().MatchString(name) }

// matches reports whether one of the patterns, as those of [path.Match], fits.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// pristineNames are what tells a program where it is, and in which language.
func pristineNames() []string {
	return []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "TERM", "COLORTERM", "TZ", "TMPDIR",
		"LANG", "LANGUAGE", "LC_*",
		"SYSTEMROOT", "SystemRoot", "COMSPEC", "ComSpec", "PATHEXT", "TEMP", "TMP", "USERPROFILE",
	}
}

// isKeyVariable reports whether a variable is for opening sealed files: a key, a
// token, or where one is.
func isKeyVariable(name string) bool { return matches(keyNames(), name) }

func keyNames() []string {
	return []string{
		"GITSEAL_*",
		"SOPS_AGE_*", "SOPS_PGP_*", "SOPS_GPG_*", "SOPS_KEYSERVICE*",
		"VAULT_TOKEN", "BAO_TOKEN", "VAULT_*_TOKEN", "BAO_*_TOKEN", "VAULT_SECRET_ID", "BAO_SECRET_ID",
		"VAULT_CLIENT_KEY", "BAO_CLIENT_KEY", "VAULT_CLIENT_CERT", "BAO_CLIENT_CERT",
		"AWS_ACCESS_KEY*", "AWS_SECRET_*", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CREDENTIAL_EXPIRATION",
		"AWS_CONTAINER_CREDENTIALS_*", "AWS_CONTAINER_AUTHORIZATION_*",
		"GOOGLE_CREDENTIALS", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_ACCESS_TOKEN",
		"CLOUDSDK_AUTH_*",
		"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_*", "AZURE_CLIENT_ASSERTION*", "AZURE_PASSWORD",
		"AZURE_FEDERATED_TOKEN*", "IDENTITY_HEADER", "IDENTITY_ENDPOINT", "MSI_SECRET", "MSI_ENDPOINT",
		"HUAWEICLOUD_SDK_*", "HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN",
	}
}
