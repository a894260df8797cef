package scan

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// special are the forms that are more than a literal and a run of characters.
func special() []pattern {
	list := []pattern{
		{"aws-access-key", "an AWS access key", "AKIA", awsAccessKey},
		{"aws-access-key", "a temporary AWS access key", "ASIA", awsAccessKey},
		{"aws-secret-key", "an AWS secret key", "ecret_access_key", awsSecretKey},
		{"aws-secret-key", "an AWS secret key", "ECRET_ACCESS_KEY", awsSecretKey},
		{"aws-secret-key", "an AWS secret key", "ecretAccessKey", awsSecretKey},
		{"private-key", "a private key", "-----BEGIN ", pemKey},
		{"jwt", "a JSON web token", "eyJ", jsonWebToken},
		{"docker-auth", "a registry's password", `"auth"`, dockerAuth},
		{"url-password", "a password in an address", "://", urlPassword},
		{"telegram-token", "a Telegram bot token", ":AA", telegramToken},
		{"terraform-token", "a Terraform Cloud token", ".atlasv1.", terraformToken},
		{"azure-client-secret", "an Azure client secret", "Q~", azureClientSecret},
		{"curl-password", "a password for curl", "curl", curlPassword},
		{"mailchimp-key", "a Mailchimp key", "-us", mailchimpKey},
	}
	return list
}

// awsAccessKey is the public half; with a secret nearby it is no example.
func awsAccessKey(src []byte, at int) (span, bool) {
	t := token{literal: "AKIA", in: isBase32, least: 16, most: 16}
	s, ok := t.find(src, at)
	if !ok || s.end < len(src) && isWord(src[s.end]) {
		return span{}, false
	}
	const near = 300
	s.weak = true
	around := src[max(0, s.start-near):min(len(src), s.end+near)]
	for i := 0; i < len(around); {
		j := i
		for j < len(around) && isBase64(around[j]) && around[j] != '=' {
			j++
		}
		if j-i == 40 && looksRandom(around[i:j]) && entropy(string(around[i:j])) > 4 {
			s.weak = false
		}
		i = j + 1
	}
	return s, true
}

// awsSecretKey has no form of its own: 40 characters behind the name.
func awsSecretKey(src []byte, at int) (span, bool) {
	begin := at + len("ecretAccessKey")
	for begin < len(src) && (isLower(src[begin]) || isUpper(src[begin]) || src[begin] == '_') && begin-at < 20 {
		begin++
	}
	for n := 0; begin < len(src) && n < 12 && strings.IndexByte(" \t\"'`=:,>\\", src[begin]) >= 0; n++ {
		begin++
	}
	end := begin
	for end < len(src) && isBase64(src[end]) && src[end] != '=' && end-begin <= 40 {
		end++
	}
	run := src[begin:end]
	if len(run) != 40 || !looksRandom(run) || entropy(string(run)) < 3.8 || bytes.Count(run, []byte("/")) > 6 {
		return span{}, false
	}
	return span{start: begin, end: end}, true
}

// jsonWebToken is three parts in base64, the first two of JSON.
func jsonWebToken(src []byte, at int) (span, bool) {
	if !startsHere(src, at) {
		return span{}, false
	}
	const longest = 8192
	var parts [3]string
	end := at
	for i := range parts {
		begin := end
		for end < len(src) && isWordDash(src[end]) && end-at < longest {
			end++
		}
		parts[i] = string(src[begin:end])
		if i < 2 && (end == len(src) || src[end] != '.') {
			return span{}, false // before more is read: the next one may begin here
		}
		if i < 2 {
			end++
		}
	}
	if end < len(src) && (src[end] == '.' || isWordDash(src[end])) || len(parts[2]) < 20 {
		return span{}, false
	}
	var header struct {
		Alg string `json:"alg"`
	}
	var claims map[string]any
	if !decodeJSON(parts[0], &header) || !decodeJSON(parts[1], &claims) || header.Alg == "" || strings.EqualFold(header.Alg, "none") {
		return span{}, false
	}
	if claims["name"] == "John Doe" { // the one of the manuals
		return span{}, false
	}
	return span{start: at, end: end, weak: true}, true
}

func decodeJSON(part string, v any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, v) == nil
}

// dockerAuth is "auth": "BASE64 of user:password", as in a Docker configuration.
func dockerAuth(src []byte, at int) (span, bool) {
	rest := src[at+len(`"auth"`):]
	trimmed := bytes.TrimLeft(rest, " \t\r\n:")
	text, found := bytes.CutPrefix(trimmed, []byte(`"`))
	if !found || len(rest)-len(trimmed) > 16 {
		return span{}, false
	}
	n := bytes.IndexByte(text[:min(len(text), 4096)], '"')
	if n < 8 {
		return span{}, false
	}
	plain, err := base64.StdEncoding.DecodeString(string(text[:n]))
	if err != nil {
		return span{}, false
	}
	user, password, found := strings.Cut(string(plain), ":")
	if !found || user == "" || len(password) < 6 || strings.ContainsFunc(user, func(r rune) bool { return r < ' ' }) || IsPlaceholder(password) {
		return span{}, false
	}
	begin := len(src) - len(text)
	return span{start: begin, end: begin + n}, true
}

// backTo returns the beginning of the run of characters of a kind before an offset.
func backTo(src []byte, at int, in func(byte) bool, most int) int {
	begin := at
	for begin > 0 && in(src[begin-1]) && at-begin <= most {
		begin--
	}
	return begin
}

func telegramToken(src []byte, at int) (span, bool) {
	begin := backTo(src, at, isDigit, 10)
	if n := at - begin; n < 8 || n > 10 || !startsHere(src, begin) && !bytes.HasSuffix(src[:begin], []byte("/bot")) && !bytes.HasSuffix(src[:begin], []byte("bot")) {
		return span{}, false
	}
	s, ok := token{literal: ":AA", in: isWordDash, least: 33, most: 33}.behind(src, at)
	s.start = begin
	return s, ok
}

func terraformToken(src []byte, at int) (span, bool) {
	begin := at - 14
	if begin < 0 || backTo(src, at, isAlnum, 14) > begin || !startsHere(src, begin) {
		return span{}, false
	}
	s, ok := token{literal: ".atlasv1.", in: isWordDash, least: 60, most: 90}.behind(src, at)
	s.start = begin
	return s, ok
}

func azureClientSecret(src []byte, at int) (span, bool) {
	in := func(c byte) bool { return isDotted(c) || c == '~' }
	begin := at - 4
	if begin < 0 || !isDigit(src[at-1]) || !startsHere(src, begin) || begin > 0 && (src[begin-1] == '.' || src[begin-1] == '~') {
		return span{}, false
	}
	for _, c := range src[begin:at] {
		if !in(c) {
			return span{}, false
		}
	}
	s, ok := token{literal: "Q~", in: in, least: 31, most: 34}.behind(src, at)
	s.start = begin
	return s, ok
}

func mailchimpKey(src []byte, at int) (span, bool) {
	begin := backTo(src, at, isHex, 32)
	if at-begin != 32 || !looksRandom(src[begin:at]) {
		return span{}, false
	}
	end := at + len("-us")
	for end < len(src) && isDigit(src[end]) {
		end++
	}
	if n := end - at - len("-us"); n < 1 || n > 2 || end < len(src) && isWord(src[end]) {
		return span{}, false
	}
	return span{start: begin, end: end}, true
}

// behind is find for a literal in the middle of a secret.
func (t token) behind(src []byte, at int) (span, bool) {
	end := at + len(t.literal)
	for end < len(src) && t.in(src[end]) && end-at-len(t.literal) <= t.most {
		end++
	}
	run := src[at+len(t.literal) : end]
	return span{start: at, end: end}, len(run) >= t.least && len(run) <= t.most && looksRandom(run)
}
