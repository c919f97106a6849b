package vm

import (
	"strings"
	"testing"
)

func TestCompareVersions(t *testing.T) {
	ordered := []string{"6.1~rc1", "6.1", "6.1.0-9-amd64", "6.1.0-50-amd64", "6.12.9+deb13", "6.12.95+deb12", "6.12.95+deb13", "6.12.95+deb13.1", "6.12.107+deb13", "7.2"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := compareVersions(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compareVersions(%q, %q) = %d", a, b, got)
			}
		}
	}
}

func image(release string) pkg {
	return pkg{name: "linux-image-" + release, version: "1", installedKB: 160_000}
}

func small(name string) pkg { return pkg{name: name, version: "1", installedKB: 15} }

// mirror is like Debian's: old layout, new layout, releases with a part missing, other flavours.
var mirror = []pkg{
	image("6.1.0-47-amd64"), image("6.1.0-50-amd64"), image("6.1.0-51-cloud-amd64"), image("6.1.0-52-rt-amd64"),
	image("6.12.9+deb13-amd64"), image("6.12.96+deb12-cloud-amd64"), image("6.12.96+deb12-rt-amd64"), image("6.12.95+deb12-amd64"), small("linux-image-amd64"),
	image("6.12.96+deb12-arm64"), image("6.12.97+deb12-arm64-16k"), image("6.12.98+deb12-arm64-16k-dbg"), image("6.12.99+deb12-rt-arm64"),
	small("linux-image-6.19.6+deb13-amd64"), small("linux-binary-6.19.6+deb13-amd64"),
	small("linux-image-7.2.11+deb13-amd64"), small("linux-binary-7.2.11+deb13-amd64"), small("linux-modules-7.2.11+deb13-amd64"),
	small("linux-image-7.2.12+deb13-amd64"), small("linux-binary-7.2.12+deb13-amd64"),
	small("linux-image-7.3.4+deb13-amd64"), small("linux-binary-unsigned-7.3.4+deb13-amd64"), small("linux-modules-7.3.4+deb13-amd64"),
}

func TestChoose(t *testing.T) {
	for series, want := range map[string]string{
		"6.1":            "linux-image-6.1.0-50-amd64",
		"6.1-cloud":      "linux-image-6.1.0-51-cloud-amd64",
		"6.1-rt":         "linux-image-6.1.0-52-rt-amd64",
		"6.12-rt":        "linux-image-6.12.96+deb12-rt-amd64",
		"6.12":           "linux-image-6.12.95+deb12-amd64",
		"6.12-arm64":     "linux-image-6.12.96+deb12-arm64",
		"6.12-arm64-16k": "linux-image-6.12.97+deb12-arm64-16k",
		"6.12-rt-arm64":  "linux-image-6.12.99+deb12-rt-arm64",
		"7.2":            "linux-binary-7.2.11+deb13-amd64 linux-modules-7.2.11+deb13-amd64", // 7.2.12 has no modules
		"7.3":            "linux-binary-unsigned-7.3.4+deb13-amd64 linux-modules-7.3.4+deb13-amd64",
	} {
		c, err := choose(Series{Name: series}, mirror)
		var names []string
		for _, p := range c.pkgs {
			names = append(names, p.name)
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("choose(%s) = %q, %v; want %q", series, got, err, want)
		}
	}
}

func TestChooseNone(t *testing.T) {
	_, err := choose(Series{Name: "6.19"}, mirror)
	if err == nil || !strings.Contains(err.Error(), "6.19") || !strings.Contains(err.Error(), "7.3.4+deb13-amd64") {
		t.Errorf("error %v does not say what was looked for and what there is", err)
	}
}

func TestParsePackages(t *testing.T) {
	pkgs, err := parsePackages("Package: linux-image-6.1.0-50-amd64\nVersion: 6.1.176-1\nInstalled-Size: 400032\nDescription: x\n y: z\nSize: 70305560\n\nPackage: b\n")
	want := pkg{"linux-image-6.1.0-50-amd64", "6.1.176-1", 70305560, 400032}
	if err != nil || len(pkgs) != 2 || pkgs[0] != want || pkgs[1].name != "b" {
		t.Errorf("got %+v, %v", pkgs, err)
	}
}

func TestPickMirrors(t *testing.T) {
	main, security := pickMirrors(`'http://m/debian/dists/bookworm/InRelease' m_InRelease 0
'http://other/apt/dists/x/InRelease' other 0
'http://m/debian-security/dists/bookworm-security/InRelease' s 0
`)
	if main != "http://m/debian" || security != "http://m/debian-security" {
		t.Errorf("got %q, %q", main, security)
	}
	if main, _ := pickMirrors("'http://m/ubuntu/dists/noble/InRelease' x 0\n"); main != "" {
		t.Errorf("took %q for Debian", main)
	}
}
