package gitrepo

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// errOutOfStep: git's answer is not of the form that its manual promises.
var errOutOfStep = errors.New("git gave an answer that makes no sense")

// get asks for an object that has no line feed in its name and reads the answer:
//
//	<hash> SP <type> SP <size> LF <bytes> LF     (git-cat-file(1), BATCH OUTPUT)
//	<the name asked for> SP missing LF           (or another word)
func (c *conversation) get(object string, limit int64) ([]byte, error) {
	if _, err := io.WriteString(c.in, object+"\n"); err != nil {
		return nil, err
	}
	return c.answer(limit)
}

// answer reads git's next answer.
func (c *conversation) answer(limit int64) ([]byte, error) {
	line, err := c.out.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, size, found := parseHeader(strings.TrimSuffix(line, "\n"))
	if !found {
		return nil, ErrNone
	}
	if kind == "blob" && size <= limit {
		return c.content(size)
	}
	if _, err := io.CopyN(io.Discard, c.out, size); err != nil {
		return nil, err
	}
	if err := c.lineFeed(); err != nil {
		return nil, err
	}
	if kind != "blob" {
		return nil, ErrNone
	}
	return nil, ErrTooLarge
}

// parseHeader reads the first line of an answer. A name that was not found is
// repeated there, but it begins with a colon or HEAD and so is never taken for a
// hash.
func parseHeader(line string) (kind string, size int64, found bool) {
	fields := strings.Split(line, " ")
	if len(fields) != 3 {
		return "", 0, false
	}
	if _, err := hex.DecodeString(fields[0]); err != nil {
		return "", 0, false
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 {
		return "", 0, false
	}
	return fields[1], size, true
}

func (c *conversation) content(size int64) ([]byte, error) {
	blob := make([]byte, size)
	if _, err := io.ReadFull(c.out, blob); err != nil {
		return nil, fmt.Errorf("reading the object: %w", err)
	}
	return blob, c.lineFeed()
}

func (c *conversation) lineFeed() error {
	b, err := c.out.ReadByte()
	if err == nil && b != '\n' {
		err = errOutOfStep
	}
	return err
}
