package tap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Device is a dummy network interface of this process.
type Device struct {
	handle *netlink.Handle
	link   netlink.Link
	owner  owner
}

// CheckName says what is wrong with the name of an interface. "all" and
// "default" stand for others in /proc/sys/net, and % for a number.
func CheckName(name string) error {
	if name == "" || len(name) >= unix.IFNAMSIZ {
		return fmt.Errorf("interface name %q: 1 to %d bytes", name, unix.IFNAMSIZ-1)
	}
	if name == "." || name == ".." || name == "all" || name == "default" {
		return fmt.Errorf("interface name %q is reserved", name)
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == '/' || c == ':' || c == '%' {
			return fmt.Errorf("interface name %q: letters, digits and signs other than / : %%", name)
		}
	}
	return nil
}

// create makes an interface and sets it up, in the namespace of the thread.
// stale reports interfaces that a ktlstop left behind, and that are removed.
func create(name string, mtu int, stale func(name string)) (*Device, error) {
	me, err := self()
	if err != nil {
		return nil, err
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	d := &Device{handle: handle, owner: me}
	if err := d.removeStale(name, stale); err != nil {
		handle.Close()
		return nil, err
	}
	if err := d.add(name, mtu); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// add makes the interface and switches it on when it is dumb.
func (d *Device) add(name string, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	if err := d.handle.LinkAdd(&netlink.Dummy{LinkAttrs: attrs}); err != nil {
		return fmt.Errorf("make the interface %s: %w%s", name, err, hint(err))
	}
	link, err := d.handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find the interface %s: %w", name, err)
	}
	d.link = link
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"name its owner", func() error { return d.handle.LinkSetAlias(link, d.owner.String()) }},
		{"switch ARP off", func() error { return d.handle.LinkSetARPOff(link) }},
		{"switch IPv6 off", func() error { return disableIPv6(name) }},
		{"switch it on", func() error { return d.handle.LinkSetUp(link) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("interface %s: %s: %w", name, step.what, err)
		}
	}
	return nil
}

func hint(err error) string {
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return "; the kernel's module dummy is missing"
	case errors.Is(err, unix.EPERM):
		return "; it needs CAP_NET_ADMIN in its network namespace"
	}
	return ""
}

// disableIPv6 keeps the kernel from giving the interface an address and from
// sending on it by itself. A kernel without IPv6 does neither.
func disableIPv6(name string) error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// links lists all interfaces; a list that others changed meanwhile is not whole.
func (d *Device) links() (all []netlink.Link, err error) {
	for range 10 {
		if all, err = d.handle.LinkList(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list the interfaces: %w", err)
	}
	return all, nil
}

// removeStale deletes the interfaces whose owners have ended, and says why name
// cannot be had.
func (d *Device) removeStale(name string, stale func(string)) error {
	links, err := d.links()
	if err != nil {
		return err
	}
	for _, l := range links {
		o, ours := parseOwner(l.Attrs().Alias)
		if l.Type() != "dummy" || !ours {
			if l.Attrs().Name == name {
				return fmt.Errorf("the interface %s exists, and ktlstop did not make it: choose another name", name)
			}
			continue
		}
		gone, err := o.gone()
		if err != nil {
			return err
		}
		switch {
		case gone:
			if err := d.handle.LinkDel(l); err != nil {
				return fmt.Errorf("remove the interface %s that a ktlstop left: %w", l.Attrs().Name, err)
			}
			stale(l.Attrs().Name)
		case l.Attrs().Name == name:
			return fmt.Errorf("the interface %s is in use by ktlstop, process %d: choose another name", name, o.pid)
		}
	}
	return nil
}

// Close removes the interface, if it is still there and still ours.
func (d *Device) Close() error {
	defer d.handle.Close()
	return d.removeBy(d.handle)
}

// remove is Close beside whatever else the Device is doing, in the namespace of
// the thread.
func (d *Device) remove() error {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer handle.Close()
	return d.removeBy(handle)
}

func (d *Device) removeBy(handle *netlink.Handle) error {
	if d.link == nil {
		return nil
	}
	l, err := handle.LinkByIndex(d.link.Attrs().Index)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the interface %s: %w", d.link.Attrs().Name, err)
	}
	// Without an alias it is what add has just made.
	if alias := l.Attrs().Alias; alias != "" && alias != d.owner.String() {
		return nil
	}
	if err := handle.LinkDel(l); err != nil {
		return fmt.Errorf("remove the interface %s: %w", d.link.Attrs().Name, err)
	}
	return nil
}
