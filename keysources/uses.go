package keysources

import (
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// Uses lists what acting on a stanza, or on a key, involves beyond the services
// that its type always means. AWS's, Google's, Microsoft's and Huawei's own
// addresses are not among them: a request to those tells a stranger nothing.
func Uses(s Stanza) []Use {
	var out []Use
	add := func(kind, value string) {
		if value != "" {
			out = append(out, Use{Kind: kind, Value: value})
		}
	}
	switch s.Type {
	case TypeVault:
		add(UseVault, s.Get("vault_address"))
	case TypeAzure:
		if u := s.Get("vault_url"); !isAzureVault(u) {
			add(UseAzure, u)
		}
	case TypeKMS:
		add(UseKMSRole, s.Get("role"))
		add(UseKMSProfile, s.Get("aws_profile"))
		if region := RegionOf(s.Get("arn")); !awsRegion().MatchString(region) {
			add(UseKMSRegion, region)
		}
	case TypeAge:
		add(UseAgePlugin, agePlugin(s.Get("recipient")))
	}
	return out
}

// awsRegion is the form of AWS's region names: eu-west-1, us-gov-east-1.
// Most programs never need it.
var awsRegion = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,16}){1,3}-[0-9]{1,2}$`)
})

// RegionOf returns the region of a KMS key's ARN (arn:aws:kms:REGION:…), "" if it
// is none.
func RegionOf(arn string) string {
	const fields = 6
	parts := strings.SplitN(arn, ":", fields)
	if len(parts) < fields || parts[0] != "arn" {
		return ""
	}
	return parts[3]
}

// isAzureVault reports whether address is that of a vault in one of Microsoft's
// clouds, where tokens for one vault are of no use to the owner of another.
func isAzureVault(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" {
		return false
	}
	for _, domain := range []string{
		".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".vault.microsoftazure.de",
		".managedhsm.azure.net", ".managedhsm.azure.cn", ".managedhsm.usgovcloudapi.net",
	} {
		if name, ok := strings.CutSuffix(u.Host, domain); ok && name != "" && !strings.Contains(name, ".") {
			return true
		}
	}
	return false
}

// agePlugin returns the plugin that a recipient age1NAME1… needs, "" if it needs
// none.
func agePlugin(recipient string) string {
	rest, ok := strings.CutPrefix(recipient, "age1")
	if !ok {
		return ""
	}
	name, _, ok := cutLast(rest, "1")
	if !ok || name == "pq" {
		return "" // age itself knows the hybrid recipients
	}
	return name
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
