package scan

import (
	"bytes"
	"hash/crc32"
	"slices"
	"strings"
)

// tokens are the forms that services give their tokens and keys, as documented by the
// services (or seen in their own scanners' rules). The bounds are those of the run
// behind the literal.
func tokens() []token {
	list := slices.Concat(tokensOfPeople(), tokensOfClouds(), tokensOfTools())
	for _, kind := range []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"} {
		list = append(list, token{"github-token", "a GitHub token", kind, isAlnum, 36, 251, hasBase62CRC})
	}
	return list
}

// tokensOfPeople are those of forges, chats, shops and language models.
func tokensOfPeople() []token {
	return []token{
		{"gitlab-token", "a GitLab token", "glpat-", isDotted, 20, 300, nil},
		{"gitlab-token", "a GitLab deploy token", "gldt-", isWordDash, 20, 64, nil},
		{"gitlab-token", "a GitLab runner token", "glrt-", isDotted, 20, 300, nil},
		{"gitlab-token", "a GitLab job token", "glcbt-", isDotted, 20, 300, nil},
		{"gitlab-token", "a GitLab trigger token", "glptt-", isHex, 40, 40, nil},
		{"gitlab-token", "a GitLab feed token", "glft-", isWordDash, 20, 64, nil},
		{"gitlab-token", "a GitLab agent token", "glagent-", isWordDash, 50, 50, nil},
		{"gitlab-token", "a GitLab application secret", "gloas-", isWordDash, 64, 64, nil},
		{"gitlab-token", "a GitLab SCIM token", "glsoat-", isWordDash, 20, 64, nil},
		{"slack-token", "a Slack bot token", "xoxb-", isWordDash, 30, 255, nil},
		{"slack-token", "a Slack user token", "xoxp-", isWordDash, 30, 255, nil},
		{"slack-token", "a Slack token", "xoxa-", isWordDash, 30, 255, nil},
		{"slack-token", "a Slack refresh token", "xoxr-", isWordDash, 30, 255, nil},
		{"slack-token", "a Slack token", "xoxs-", isWordDash, 30, 255, nil},
		{"slack-token", "a Slack token", "xoxe.", isDotted, 30, 400, nil},
		{"slack-token", "a Slack app token", "xapp-1-", isWordDash, 30, 255, nil},
		{"slack-webhook", "a Slack webhook", "hooks.slack.com/services/T", slackPath, 35, 80, nil},
		{"discord-webhook", "a Discord webhook", "discord.com/api/webhooks/", slackPath, 70, 120, nil},
		{"stripe-key", "a Stripe key", "sk_live_", isAlnum, 24, 247, nil},
		{"stripe-key", "a restricted Stripe key", "rk_live_", isAlnum, 24, 247, nil},
		{"stripe-webhook-secret", "a Stripe webhook secret", "whsec_", isBase64, 32, 64, nil},
		{"anthropic-key", "an Anthropic key", "sk-ant-", isWordDash, 80, 140, nil},
		{"openai-key", "an OpenAI key", "sk-", isWordDash, 40, 220, func(r []byte) bool { return bytes.Contains(r, []byte("T3BlbkFJ")) }},
		{"openrouter-key", "an OpenRouter key", "sk-or-v1-", isHex, 64, 64, nil},
		{"groq-key", "a Groq key", "gsk_", isAlnum, 52, 52, nil},
		{"replicate-token", "a Replicate token", "r8_", isAlnum, 37, 37, nil},
		{"perplexity-key", "a Perplexity key", "pplx-", isAlnum, 48, 56, nil},
		{"huggingface-token", "a Hugging Face token", "hf_", isAlnum, 34, 40, nil},
	}
}

// tokensOfClouds are those of clouds and hosted services.
func tokensOfClouds() []token {
	return []token{
		{"google-api-key", "a Google API key", "AIza", isWordDash, 35, 35, nil},
		{"google-oauth-secret", "a Google OAuth client secret", "GOCSPX-", isWordDash, 28, 28, nil},
		{"google-oauth-token", "a Google access token", "ya29.", isDotted, 60, 1024, nil},
		{"twilio-key", "a Twilio key", "SK", isHex, 32, 32, nil},
		{"pypi-token", "a PyPI token", "pypi-AgE", isWordDash, 80, 1024, nil},
		{"digitalocean-token", "a DigitalOcean token", "dop_v1_", isHex, 64, 64, nil},
		{"digitalocean-token", "a DigitalOcean OAuth token", "doo_v1_", isHex, 64, 64, nil},
		{"digitalocean-token", "a DigitalOcean refresh token", "dor_v1_", isHex, 64, 64, nil},
		{"vault-token", "a Vault token", "hvs.", isWordDash, 24, 1024, nil},
		{"vault-token", "a Vault batch token", "hvb.", isWordDash, 80, 2048, nil},
		{"vault-token", "a Vault recovery token", "hvr.", isWordDash, 24, 1024, nil},
		{"shopify-token", "a Shopify access token", "shpat_", isHexFold, 32, 32, nil},
		{"shopify-token", "a Shopify custom app token", "shpca_", isHexFold, 32, 32, nil},
		{"shopify-token", "a Shopify private app password", "shppa_", isHexFold, 32, 32, nil},
		{"shopify-token", "a Shopify shared secret", "shpss_", isHexFold, 32, 32, nil},
		{"mailgun-key", "a Mailgun key", "key-", isHex, 32, 32, nil},
		{"square-token", "a Square token", "sq0atp-", isWordDash, 22, 22, nil},
		{"square-token", "a Square secret", "sq0csp-", isWordDash, 43, 43, nil},
		{"doppler-token", "a Doppler token", "dp.pt.", isAlnum, 40, 44, nil},
		{"doppler-token", "a Doppler service token", "dp.st.", isDotted, 40, 100, nil},
		{"doppler-token", "a Doppler token", "dp.ct.", isAlnum, 40, 44, nil},
		{"databricks-token", "a Databricks token", "dapi", isHexDash, 32, 34, nil},
		{"linear-key", "a Linear key", "lin_api_", isAlnum, 40, 40, nil},
		{"linear-key", "a Linear OAuth token", "lin_oauth_", isHexFold, 64, 64, nil},
	}
}

// tokensOfTools are those of what developers and operators use.
func tokensOfTools() []token {
	return []token{
		{"grafana-token", "a Grafana service account token", "glsa_", isWord, 41, 41, nil},
		{"grafana-token", "a Grafana Cloud token", "glc_eyJ", isBase64, 40, 400, nil},
		{"heroku-key", "a Heroku key", "HRKU-AA", isWordDash, 58, 58, nil},
		{"atlassian-token", "an Atlassian token", "ATATT3xFfGF0", isTokenEq, 150, 220, nil},
		{"postman-key", "a Postman key", "PMAK-", isHexDash, 59, 59, nil},
		{"planetscale-token", "a PlanetScale token", "pscale_tkn_", isDotted, 32, 64, nil},
		{"planetscale-token", "a PlanetScale password", "pscale_pw_", isDotted, 32, 64, nil},
		{"newrelic-key", "a New Relic key", "NRAK-", isBech32, 27, 27, nil},
		{"pulumi-token", "a Pulumi token", "pul-", isHex, 40, 40, nil},
		{"rubygems-key", "a RubyGems key", "rubygems_", isHex, 48, 48, nil},
		{"cratesio-token", "a crates.io token", "cio", isAlnum, 32, 32, nil},
		{"supabase-token", "a Supabase token", "sbp_", isHex, 40, 40, nil},
		{"tailscale-key", "a Tailscale key", "tskey-", isWordDash, 24, 100, nil},
		{"notion-token", "a Notion token", "ntn_", isAlnum, 43, 50, nil},
		{"netlify-token", "a Netlify token", "nfp_", isAlnum, 36, 40, nil},
		{"buildkite-token", "a Buildkite token", "bkua_", isHex, 40, 40, nil},
		{"circleci-token", "a CircleCI token", "CCIPAT_", isWordDash, 40, 80, nil},
		{"clojars-token", "a Clojars token", "CLOJARS_", isHex, 60, 60, nil},
		{"brevo-key", "a Brevo key", "xkeysib-", isHexWord, 81, 81, nil},
		{"onepassword-token", "a 1Password service account token", "ops_eyJ", isBase64, 200, 2000, nil},
		{"artifactory-key", "an Artifactory key", "AKCp", isAlnum, 69, 69, nil},
		{"sendgrid-key", "a SendGrid key", "SG.", isDotted, 66, 66, func(r []byte) bool { return r[22] == '.' }},
		{"azure-storage-key", "an Azure storage key", "AccountKey=", isBase64, 86, 88, nil},
		{"azure-shared-key", "an Azure shared access key", "SharedAccessKey=", isBase64, 43, 44, nil},
		{"github-token", "a fine-grained GitHub token", "github_pat_", isWord, 82, 82, nil},
		{"npm-token", "an npm token", "npm_", isAlnum, 36, 36, hasBase62CRC},
		{"age-identity", "an age private key", "AGE-SECRET-KEY-1", isBech32, 58, 58, func(r []byte) bool { return isBech32Word("age-secret-key-", r) }},
		{"age-identity", "a post-quantum age private key", "AGE-SECRET-KEY-PQ-1", isBech32, 50, 200, func(r []byte) bool { return isBech32Word("age-secret-key-pq-", r) }},
	}
}

func slackPath(c byte) bool { return isWordDash(c) || c == '/' }
func isHexFold(c byte) bool { return isHex(c) || 'A' <= c && c <= 'F' }
func isHexDash(c byte) bool { return isHex(c) || c == '-' }
func isHexWord(c byte) bool { return isAlnum(c) || c == '-' }
func isTokenEq(c byte) bool { return isWordDash(c) || c == '=' }

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// hasBase62CRC reports whether the last six characters are the CRC-32 of those before
// them in base 62, as in tokens of GitHub and npm. A longer token is of a form that has
// no such checksum.
func hasBase62CRC(run []byte) bool {
	if len(run) != 36 {
		return true
	}
	sum := crc32.ChecksumIEEE(run[:30])
	var want [6]byte
	for i := 5; i >= 0; i-- {
		want[i], sum = base62[sum%62], sum/62
	}
	return string(run[30:]) == string(want[:])
}

const bech32Letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// isBech32Word reports whether an upper-case bech32 text, whose human-readable part is
// given in lower case, has the right checksum (BIP 173; age has no limit of length).
func isBech32Word(hrp string, data []byte) bool {
	sum := uint32(1)
	feed := func(v byte) {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ uint32(v)
		for i, g := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for i := range len(hrp) {
		feed(hrp[i] >> 5)
	}
	feed(0)
	for i := range len(hrp) {
		feed(hrp[i] & 31)
	}
	for _, c := range bytes.ToLower(data) {
		v := strings.IndexByte(bech32Letters, c)
		if v < 0 {
			return false
		}
		feed(byte(v))
	}
	return sum == 1
}
