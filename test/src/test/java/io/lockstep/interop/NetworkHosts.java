package io.lockstep.interop;

import java.util.List;

/**
 * Two hosts with a network of their own between them, which is slow and can be cut: namespaces of
 * the kernel, a pair of interfaces, and a bucket on each ({@code ip-netns(8)}, {@code tc-tbf(8)}).
 * It takes root.
 */
final class NetworkHosts implements Rig.Ending {
    /** Of the range for tests of networks (RFC 2544); these two alone see them. */
    private static final List<String> ADDRESSES = List.of("198.18.0.1", "198.18.0.2");

    private final Rig rig;
    private final List<String> names;

    private NetworkHosts(final Rig rig) {
        this.rig = rig;
        final long id = ProcessHandle.current().pid();
        names = List.of("lsn" + id, "lss" + id);
    }

    /** Whether the machine lets the tests have such hosts. */
    static boolean areThere(final Rig rig) {
        final String probe = "lsp" + ProcessHandle.current().pid();
        final boolean isThere = rig.end(Tool.IP, "netns", "add", probe).exitCode() == 0;
        rig.end(Tool.IP, "netns", "delete", probe);
        return isThere;
    }

    private void ip(final String arguments) {
        rig.run(Tool.IP, arguments.split(" "));
    }

    /**
     * Two that are linked.
     *
     * @param rate of the link, as {@code tc} takes it
     */
    static NetworkHosts make(final Rig rig, final String rate) {
        final NetworkHosts hosts = rig.keep(new NetworkHosts(rig));
        for (final String name : hosts.names) {
            hosts.ip("netns add " + name);
        }
        hosts.ip(
                "link add link0 netns %s type veth peer name link0 netns %s"
                        .formatted(hosts.names.get(0), hosts.names.get(1)));
        for (int host = 0; host < 2; host++) {
            hosts.inside(host, "ip addr add " + ADDRESSES.get(host) + "/24 dev link0");
            hosts.inside(host, "ip link set lo up");
            hosts.inside(host, "ip link set link0 up");
            hosts.inside(
                    host,
                    "tc qdisc add dev link0 root tbf rate " + rate + " burst 256k latency 50ms");
        }
        return hosts;
    }

    private void inside(final int host, final String command) {
        ip("netns exec " + names.get(host) + " " + command);
    }

    /** The address of one of them. */
    String address(final int host) {
        return ADDRESSES.get(host);
    }

    /** A command of the shell that has what comes behind it run there. */
    String place(final int host) {
        return "set -- " + Tool.IP.path() + " netns exec " + names.get(host) + " \"$@\"";
    }

    /** Nothing comes through any more, and nobody is told. */
    void cut() {
        inside(0, "ip link set link0 down");
    }

    void mend() {
        inside(0, "ip link set link0 up");
    }

    @Override
    public void close() {
        names.forEach(name -> rig.end(Tool.IP, "netns", "delete", name));
    }
}
