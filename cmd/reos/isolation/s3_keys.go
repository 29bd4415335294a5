package isolation

import "strings"

// hostileKeys are object keys that some server, proxy or file system could read as the victim's. {victim} is its id,
// {key} the key of its document, {attacker} the attacker's id.
var hostileKeys = []struct{ name, key string }{
	{"its full key", "{victim}/{key}"},
	{"a parent segment", "../{victim}/{key}"},
	{"a parent segment behind its own", "documents/../../{victim}/{key}"},
	{"a parent segment at the end", "../{victim}/documents/.."},
	{"an absolute key", "/{victim}/{key}"},
	{"a double slash", "//{victim}/{key}"},
	{"a self segment", "./../{victim}/{key}"},
	{"a backslash", `..\{victim}\{key}`},
	{"a mixed slash", `../{victim}\{key}`},
	{"an encoded parent", "%2e%2e/{victim}/{key}"},
	{"an encoded parent in upper case", "%2E%2E/{victim}/{key}"},
	{"an encoded slash", "..%2f{victim}%2f{key}"},
	{"a twice encoded parent", "%252e%252e%252f{victim}%252f{key}"},
	{"a half encoded parent", ".%2e/{victim}/{key}"},
	{"an overlong slash", "..\xc0\xaf{victim}\xc0\xaf{key}"},
	{"a full-width full stop", "\uff0e\uff0e/{victim}/{key}"},
	{"a full-width solidus", "..\uff0f{victim}\uff0f{key}"},
	{"a division slash", "..\u2215{victim}\u2215{key}"},
	{"a two-dot leader", "\u2025/{victim}/{key}"},
	{"a decomposed letter", "documents/cafe\u0301/../../{victim}/{key}"},
	{"a NUL before its end", "../{victim}/{key}\x00.txt"},
	{"a NUL in front", "\x00../{victim}/{key}"},
	{"a new line", "a\n/../{victim}/{key}"},
	{"a carriage return and header", "a\r\nX-Amz-Copy-Source: /{victim}/{key}"},
	{"a query", "x?prefix={victim}/{key}"},
	{"a fragment", "../{victim}/{key}#"},
	{"a semicolon parameter", "..;/{victim}/{key}"},
	{"a trailing space and dot", ".. /{victim}/{key}"},
	{"a bucket of its own", "s3://{victim}/{key}"},
	{"the empty key", ""},
	{"its own id twice", "../{attacker}/../{victim}/{key}"},
}

func (w *World) hostileKey(pattern string) string {
	return strings.NewReplacer("{victim}", w.Victim.ID.String(), "{attacker}", w.Attacker.ID.String(),
		"{key}", w.Victim.documentKey()).Replace(pattern)
}
