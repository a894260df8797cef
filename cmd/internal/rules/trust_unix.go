//go:build unix

package rules

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// trust refuses a configuration file that the user has no reason to believe. If it
// is a link, that goes for the link and for the file.
func trust(config, file string) error {
	owners := []int{os.Geteuid(), 0}
	for _, path := range []string{file, filepath.Dir(file)} {
		// A file that is yet to be made will belong where its folder does.
		if info, err := os.Stat(path); err == nil {
			owners = append(owners, owner(info))
			break
		}
	}
	link, err := os.Lstat(config)
	if err != nil {
		return err
	}
	target, err := os.Stat(config)
	if err != nil {
		return err
	}
	if !target.Mode().IsRegular() {
		return &ConfigError{Path: config, Msg: "not a regular file"}
	}
	if target.Mode().Perm()&0o002 != 0 {
		return &ConfigError{Path: config, Msg: "anybody may write to this file, so it is not trusted"}
	}
	for _, info := range []fs.FileInfo{link, target} {
		if err := trustOwner(config, owner(info), owners); err != nil {
			return err
		}
	}
	return nil
}

func trustOwner(config string, uid int, owners []int) error {
	for _, o := range owners {
		if uid == o {
			return nil
		}
	}
	return &ConfigError{Path: config, Msg: fmt.Sprintf("this file belongs to user %d, so it is not trusted", uid)}
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
