package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// The server's files live in its home. That is the configured directory, unless root runs a server in a place that the
// server's user cannot reach, such as below /root: then it is a directory below elsewhere, and `home` in the configured
// directory is a symbolic link to it.
//
// A directory that only root can enter is opened, for passing through and to the server's group alone, if it is the
// configured directory itself or lies in the system's directory for temporary files. No other permission is changed.
const (
	homeLink  = "home"
	elsewhere = "/var/lib/reos"
)

// account is the unprivileged user that root runs the server as. Nil: the server runs as the user of this process.
type account struct {
	name     string
	uid, gid uint32
}

// serverUser is the owner of the data, once there are any: an ordinary user's directory may be used by root later on.
func serverUser(dir string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, data := range []string{filepath.Join(dir, "data"), filepath.Join(dir, homeLink, "data")} {
		if info, err := os.Stat(data); err == nil {
			owner := info.Sys().(*syscall.Stat_t)
			return &account{name: "of id " + strconv.FormatUint(uint64(owner.Uid), 10), uid: owner.Uid, gid: owner.Gid}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := user.Lookup(name); err == nil {
			return accountOf(found)
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")
}

func accountOf(found *user.User) (*account, error) {
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return nil, fmt.Errorf("look up user %s: %w", found.Username, err)
	}
	return &account{name: found.Username, uid: uint32(uid), gid: uint32(gid)}, nil
}

// homeFor is the directory, reachable for the server's user, that holds the files of the server of dir.
func homeFor(dir string, user *account) (string, error) {
	if user == nil {
		return dir, nil
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	link := filepath.Join(dir, homeLink)
	home, err := os.Readlink(link)
	if err == nil {
		return home, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	reachable, err := user.reach(dir)
	if err != nil || reachable {
		return dir, err
	}
	return user.moveHome(link)
}

// moveHome makes a home elsewhere and the link to it.
func (a *account) moveHome(link string) (string, error) {
	if err := os.MkdirAll(elsewhere, 0o755); err != nil {
		return "", err
	}
	home, err := os.MkdirTemp(elsewhere, "postgres-")
	if err != nil {
		return "", err
	}
	// Others may pass, for what is in it has permissions of its own.
	if err := os.Chmod(home, 0o711); err != nil {
		return "", err
	}
	if reachable, err := a.reach(home); err != nil || !reachable {
		return "", errors.Join(err, os.Remove(home), fmt.Errorf("user %s can reach neither %s nor %s", a.name, filepath.Dir(link), elsewhere))
	}
	return home, os.Symlink(home, link)
}

// reach reports whether the account can enter dir, after it has opened what may be opened on the way.
func (a *account) reach(dir string) (bool, error) {
	temp, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		temp = os.TempDir()
	}
	for path := dir; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil {
			return false, err
		}
		if !a.mayPass(info) {
			ours := path == dir || strings.HasPrefix(path, temp+string(filepath.Separator))
			if !ours || !isRootsAlone(info) {
				return false, nil
			}
			if err := a.letPass(path, info); err != nil {
				return false, err
			}
		}
		if path == filepath.Dir(path) {
			return true, nil
		}
	}
}

func (a *account) mayPass(info fs.FileInfo) bool {
	owner, mode := info.Sys().(*syscall.Stat_t), info.Mode().Perm()
	switch {
	case owner.Uid == a.uid:
		return mode&0o100 != 0
	case owner.Gid == a.gid:
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

func isRootsAlone(info fs.FileInfo) bool {
	return info.Sys().(*syscall.Stat_t).Uid == 0 && info.Mode().Perm()&0o077 == 0
}

func (a *account) letPass(path string, info fs.FileInfo) error {
	if err := os.Lchown(path, -1, int(a.gid)); err != nil {
		return fmt.Errorf("open %s to user %s: %w", path, a.name, err)
	}
	return os.Chmod(path, info.Mode().Perm()|0o010)
}

// own makes dir the server user's. It is fresh, empty and in a directory that only we write to.
func (a *account) own(dir string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(dir, int(a.uid), int(a.gid))
}
