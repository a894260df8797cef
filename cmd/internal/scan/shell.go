package scan

import (
	"bytes"
	"strings"
)

// inShell finds NAME=value, with export, as an argument or alone, and in a Dockerfile
// also ENV NAME value.
func inShell(line string, at int, docker, test bool, c *collector) {
	trimmed := strings.TrimLeft(line, " \t\ufeff")
	if strings.HasPrefix(trimmed, "#") {
		return
	}
	if docker {
		if key, from, found := dockerEnv(line); found {
			shellValue(line, key, from, at, test, c)
			return
		}
	}
	for i := 1; i < len(line); i++ {
		if line[i] != '=' || i+1 == len(line) {
			continue
		}
		begin := i
		for begin > 0 && isWordDash(line[begin-1]) {
			begin--
		}
		if begin == i || begin > 0 && strings.IndexByte(" \t;&|(\"'`", line[begin-1]) < 0 {
			continue
		}
		shellValue(line, line[begin:i], i+1, at, test, c)
	}
}

// dockerEnv returns the key of ENV KEY value, and where its value begins.
func dockerEnv(line string) (key string, from int, found bool) {
	fields := strings.Fields(line)
	if len(fields) < 3 || !strings.EqualFold(fields[0], "ENV") || strings.Contains(fields[1], "=") {
		return "", 0, false
	}
	from = strings.Index(line, fields[1]) + len(fields[1])
	return fields[1], from + len(line[from:]) - len(strings.TrimLeft(line[from:], " \t")), true
}

// shellValue judges the value that begins at from.
func shellValue(line, key string, from, at int, test bool, c *collector) {
	class := classOf(key)
	if class == ordinary || test {
		return
	}
	value, from := shellWord(line, from)
	if isExpanded(value) {
		return
	}
	_, found := judge(class, key, value, false)
	strong := isStrong(value)
	if !found || !strong && (isWords(value) || strings.ContainsAny(value, " \t")) {
		return
	}
	c.add(Hit{Pattern: PatternKey, Title: keyTitle, Weak: !strong, Start: at + from, End: at + from + len(value)})
}

// shellWord returns the word that begins at an offset, without quotes, and where it is.
func shellWord(line string, from int) (string, int) {
	rest := line[from:]
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		if n := strings.IndexByte(rest[1:], rest[0]); n >= 0 {
			return rest[1 : 1+n], from + 1
		}
		return "", from
	}
	if n := strings.IndexAny(rest, " \t\r;&|)<>\"'`\\"); n >= 0 {
		rest = rest[:n]
	}
	return rest, from
}

// isExpanded reports whether a shell, or make, fills a value in: it has a variable or a
// command in it. aB3$xK9q1 has neither by its looks.
func isExpanded(value string) bool {
	if strings.ContainsAny(value, "`") || strings.Contains(value, "$(") || strings.Contains(value, "${") {
		return true
	}
	for i := strings.IndexByte(value, '$'); i >= 0; {
		rest := value[i+1:]
		end := 0
		for end < len(rest) && isWord(rest[end]) {
			end++
		}
		if end == 1 && i == 0 || end > 1 && isWords(rest[:end]) {
			return true
		}
		n := strings.IndexByte(rest, '$')
		if n < 0 {
			break
		}
		i += 1 + n
	}
	return false
}

// inNetrc finds the passwords of a .netrc file (netrc(5)): words in a row.
func inNetrc(text string, c *collector) {
	before, at := "", 0
	for word := range strings.FieldsSeq(text) {
		at += strings.Index(text[at:], word)
		if before == "password" {
			if weak, found := judge(passwordKey, before, word, true); found && !c.add(Hit{Pattern: PatternKey, Title: keyTitle, Weak: weak, Start: at, End: at + len(word)}) {
				return
			}
		}
		at += len(word)
		switch before {
		case "machine", "login", "password", "account", "port":
			before = "" // this word was its value
		default:
			before = word
		}
	}
}

// curlPassword is curl -u USER:PASSWORD.
func curlPassword(src []byte, at int) (span, bool) {
	if !startsHere(src, at) || at+5 > len(src) || !isBlank(src[at+4]) {
		return span{}, false
	}
	const most = 400
	rest := src[at+4 : min(len(src), at+most)]
	if n := bytes.Index(rest, []byte("curl")); n >= 0 {
		rest = rest[:n]
	}
	from := -1
	for _, flag := range []string{" -u", " --user ", " --user="} {
		if n := bytes.Index(rest, []byte(flag)); n >= 0 && from < 0 {
			from = n + len(flag)
		}
	}
	if from < 0 || bytes.Contains(bytes.ReplaceAll(rest[:from], []byte("\\\n"), nil), []byte("\n")) {
		return span{}, false
	}
	for from < len(rest) && (rest[from] == ' ' || rest[from] == '"' || rest[from] == '\'') {
		from++
	}
	word, _ := shellWord(string(rest[from:min(len(rest), from+200)])+" ", 0)
	word, _, _ = strings.Cut(word, "\n")
	user, password, found := strings.Cut(word, ":")
	if !found || user == "" || len(password) < 6 || isExpanded(word) || IsPlaceholder(password) || !isStrong(password) {
		return span{}, false
	}
	begin := at + 4 + from + len(user) + 1
	return span{start: begin, end: begin + len(password)}, true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
