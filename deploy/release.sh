#!/usr/bin/env bash
# release.sh DIRECTORY: builds the files of a release from the last commit into DIRECTORY.
# release.sh --check: builds it twice, in two directories, and compares.
#
# The sources are a clone of the commit, so uncommitted changes cannot get in, and Go records the commit in the
# programs. `make release` calls it; the variable GO names the Go command.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
	echo "release: $*" >&2
	exit 1
}

version=$(sed -n 's/^const version = "\(.*\)"/\1/p' cmd/ktlstop/version.go)
[[ $version ]] || fail "cmd/ktlstop/version.go names no version"

# notes prints the section of the version in the changelog, without its heading.
notes() { # CHANGELOG
	awk -v version="$version" '
		/^## / { inside = $2 == version || $2 == version "," || $2 == "[" version "]" || $2 == "[" version "],"; next }
		inside && (seen || NF) { seen = 1; print }' "$1"
}

# allowed refuses what would not be a release.
allowed() {
	local dirty first tag=v$version at
	dirty=$(git status --porcelain)
	first=${dirty%%$'\n'*}
	[[ -z $dirty ]] || fail "the tree is not clean: commit or stash ${first:3}, and what else git status shows"
	[[ $(notes CHANGELOG.md) ]] || fail "CHANGELOG.md has no section \"## $version\" with text: write what is new"
	for at in $(git tag --points-at HEAD 'v[0-9]*'); do
		! grep -q "^## $version, unreleased" CHANGELOG.md || fail "this commit has the tag $at, and CHANGELOG.md says that $version is unreleased: give it its date"
		[[ $at == "$tag" ]] || fail "this commit has the tag $at, and cmd/ktlstop/version.go says $version"
	done
	at=$(git rev-parse -q --verify "refs/tags/$tag^{commit}" || git rev-parse HEAD)
	[[ $at == $(git rev-parse HEAD) ]] || fail "the tag $tag is at another commit, ${at:0:12}: this is not $version any more"
	library_tagged
}

# library_tagged refuses a program of another pkg/ktls than the one that its go.mod names to others.
library_tagged() {
	local tag
	tag=$(sed -n 's,.*github.com/ktlstop/ktlstop/pkg/ktls \(v[^ ]*\)$,pkg/ktls/\1,p' go.mod)
	git rev-parse -q --verify "refs/tags/$tag" >/dev/null || return 0 # not released yet
	git diff --quiet "$tag" HEAD -- pkg/ktls || fail "go.mod names $tag, and pkg/ktls has changed since: release the library first"
}

# build makes the release of a clone of the last commit.
build() { # CLONE DIRECTORY
	local clone=$1 out=$2 chart=ktlstop-$version.tgz date
	git clone -q --no-hardlinks --shared . "$clone"
	mkdir -p "$clone/bin" "$out"
	date=$(git log -1 --format=%ct)
	git -C "$clone" ls-files -z | (cd "$clone" && xargs -0r touch -h -d "@$date") # apk packages keep when scripts were changed
	make -s -C "$clone" RELEASE=yes SOURCE_DATE_EPOCH="$date" packages portable-programs dkms-deb >&2
	make -s -C "$clone" RELEASE=yes SOURCE_DATE_EPOCH="$date" IMAGE="$out/ktlstop_${version}_image.tar" image >&2

	cp "$clone"/bin/packages/* "$clone"/bin/*-dkms_*_all.deb "$clone"/bin/portable/* "$out/"
	for arch in amd64 arm64; do cp "$clone/bin/dist/$arch/ktlstop" "$out/ktlstop_${version}_linux_$arch"; done
	archive "$out/ktlstop_${version}_man.tar.gz" "$clone/bin" man
	archive "$out/$chart" "$clone/deploy" chart --transform 's,^chart,ktlstop,'
	git -C "$clone" archive --format tar --prefix "ktlstop-$version/" HEAD | gzip -9n >"$out/ktlstop_${version}_source.tar.gz"
	notes "$clone/CHANGELOG.md" >"$out/NOTES.md"
	(cd "$out" && LC_ALL=C && sha256sum -- * >"../SHA256SUMS.$$" && mv "../SHA256SUMS.$$" SHA256SUMS)
	chmod -R u=rwX,go=rX "$out"
}

# archive packs a folder. The same files give the same bytes: neither the order of the folder, nor owners, nor the hour
# are in it.
archive() { # FILE PARENT FOLDER OPTION...
	tar --sort name --mtime "@$(git log -1 --format=%ct)" --owner 0 --group 0 --numeric-owner --mode u=rwX,go=rX "${@:4}" \
		-C "$2" -c "$3" | gzip -9n >"$1"
}

umask 022
unset MAKEFLAGS MAKEOVERRIDES # variables of an outer make, as ARCHS, are not the release's
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
case ${1:-} in
--check)
	build "$tmp/one" "$tmp/dist"
	build "$tmp/further/down/two" "$tmp/again"
	diff "$tmp/dist/SHA256SUMS" "$tmp/again/SHA256SUMS" || fail "two builds of one commit differ in these files"
	(cd "$tmp/dist" && sha256sum --quiet -c SHA256SUMS)
	KTLSTOP_DIST=$tmp/dist CGO_ENABLED=0 GOWORK=off ${GO:-go} -C "$tmp/one/tools" test -count 1 ./release
	echo "release: $(grep -c . "$tmp/dist/SHA256SUMS") files, twice the same"
	;;
"" | -*) fail "usage: deploy/release.sh DIRECTORY" ;;
*)
	allowed
	build "$tmp/ktlstop" "$tmp/dist"
	rm -rf "$1"
	mkdir -p "$(dirname "$1")"
	mv "$tmp/dist" "$1"
	(cd "$1" && du -ah --apparent-size . | sort -k 2)
	;;
esac
