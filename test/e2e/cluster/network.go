package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// control is the network namespace of the control planes. Each node has one of its own, called as the node is.
const control = "control"

// layNetwork makes the network namespaces: a bridge in that of the control planes, and the nodes on it. None of them
// has a way out of them.
func (c *Config) layNetwork(ctx context.Context) error {
	if err := script(ctx, control, append([]string{
		"link set lo up",
		"link add br0 type bridge", "addr add " + gateway + "/24 dev br0", "link set br0 up",
		// So that kube-proxy's rules see requests to Services that are made here.
		"route add " + serviceNet(0).String() + " dev br0",
	}, each(aliases, "addr add %s/24 dev br0")...)...); err != nil {
		return err
	}
	nodes := c.nodes()
	for _, n := range nodes {
		link := fmt.Sprintf("n%d", n.number)
		if err := ip(ctx, "netns", "add", n.name); err != nil {
			return err
		}
		if err := ip(ctx, "link", "add", link, "netns", control, "type", "veth", "peer", "name", "eth0", "netns", n.name); err != nil {
			return err
		}
		if err := lines(ctx, control, "link set "+link+" master br0 up"); err != nil {
			return err
		}
		if err := lines(ctx, n.name, "link set lo up", "addr add "+n.address()+"/24 dev eth0", "link set eth0 up", "route add default via "+gateway); err != nil {
			return err
		}
		if err := forward(ctx, n.name); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		route := "route add " + n.pods() + " via " + n.address()
		if err := lines(ctx, control, route); err != nil {
			return err
		}
		for _, other := range nodes {
			if other != n {
				if err := lines(ctx, other.name, route); err != nil {
					return err
				}
			}
		}
	}
	// Services of the other planes are reached through the kube-proxy of a node: here is but that of the first.
	for i := 1; i < len(c.Planes); i++ {
		for _, n := range nodes {
			if n.plane == i {
				if err := lines(ctx, control, "route add "+serviceNet(i).String()+" via "+n.address()); err != nil {
					return err
				}
				break
			}
		}
	}
	return forward(ctx, control)
}

func each(values []string, format string) []string {
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprintf(format, v))
	}
	return out
}

// script makes a namespace and runs ip in it.
func script(ctx context.Context, namespace string, commands ...string) error {
	if err := ip(ctx, "netns", "add", namespace); err != nil {
		return err
	}
	return lines(ctx, namespace, commands...)
}

func lines(ctx context.Context, namespace string, commands ...string) error {
	for _, c := range commands {
		if err := ip(ctx, append([]string{"-netns", namespace}, strings.Fields(c)...)...); err != nil {
			return err
		}
	}
	return nil
}

func ip(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func forward(ctx context.Context, namespace string) error {
	cmd := exec.CommandContext(ctx, "nsenter", "--net=/run/netns/"+namespace, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("letting %s forward: %w", namespace, err)
	}
	return nil
}
