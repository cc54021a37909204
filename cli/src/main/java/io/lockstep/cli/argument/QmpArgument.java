package io.lockstep.cli.argument;

import io.lockstep.cli.control.ControlAddress;
import io.lockstep.engine.loop.Endpoint;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where control sockets are: a path, or what QEMU's command line has for a server: {@code -qmp},
 * and {@code -chardev} with {@code -mon}. What is not supported is refused, and never taken for the
 * name of a file. Stateless. Source: qemu(1), "Character device options".
 */
public final class QmpArgument {
    private static final String FORMS =
            "PATH, unix:PATH,server=on,wait=off, tcp:HOST:PORT,server=on,wait=off, or stdio";

    /** Without a host this one alone; whoever wants more says 0.0.0.0 or ::. */
    private static final String LOOPBACK = "127.0.0.1";

    private static final Pattern HOST_AND_PORT =
            Pattern.compile(
                    "(?:\\[(?<six>[0-9A-Fa-f:.%]+)]|(?<host>[^:\\[\\]]*)):(?<port>\\d{1,5})");

    /** What stands for something else than a file in QEMU. */
    private static final Pattern FOREIGN =
            Pattern.compile("[A-Za-z][A-Za-z0-9+-]*:.*|none|null|pty|vc|ringbuf|msmouse|braille");

    private static final int PORT_MAX = 65535;

    private final CommandSpec spec;
    private final String option;

    private QmpArgument(final CommandSpec spec, final String option) {
        this.spec = spec;
        this.option = option;
    }

    /**
     * Reads all of a command line, in QEMU's order: monitors of character devices come behind.
     *
     * @param qmp the values of {@code --qmp}
     * @param chardevs those of {@code -chardev}
     * @param monitors those of {@code -mon}
     * @throws ParameterException where one is nothing that a server listens on, or there is none
     */
    public static List<ControlAddress> parse(
            final CommandSpec spec,
            final List<String> qmp,
            final List<String> chardevs,
            final List<String> monitors) {
        final List<ControlAddress> addresses = new ArrayList<>();
        qmp.forEach(text -> addresses.add(new QmpArgument(spec, "--qmp").parse(text)));
        final Map<String, ControlAddress> devices = new HashMap<>();
        chardevs.forEach(text -> new QmpArgument(spec, "-chardev").addDevice(text, devices));
        monitors.forEach(
                text -> addresses.add(new QmpArgument(spec, "-mon").monitor(text, devices)));
        if (addresses.isEmpty()) {
            throw new ParameterException(
                    spec.commandLine(), "Missing required option: '--qmp=ADDRESS'");
        }
        if (addresses.stream().filter(ControlAddress.Stdio.class::isInstance).count() > 1) {
            throw new ParameterException(
                    spec.commandLine(), "stdio is named twice, and there is one standard input");
        }
        return addresses;
    }

    private ControlAddress parse(final String text) {
        final Map<String, String> options = split(text, "address");
        final String address = options.remove("address");
        if (text.startsWith("unix:")) {
            return server(unix(address.substring("unix:".length())), options, text);
        }
        if (text.startsWith("tcp:")) {
            return server(tcp(address.substring("tcp:".length())), options, text);
        }
        if (address.equals("stdio")) {
            return stdio(options, text);
        }
        if (text.isEmpty() || FOREIGN.matcher(text).matches()) {
            throw unsupported(
                    text, text.isEmpty() ? "" : "; a socket of that name in a file: ./" + text);
        }
        return ControlAddress.at(PathConverter.parse(spec, option, text));
    }

    // ---- -chardev and -mon.

    private void addDevice(final String text, final Map<String, ControlAddress> devices) {
        final Map<String, String> options = split(text, "backend");
        final String backend = options.remove("backend");
        final String id = options.remove("id");
        if (id == null || id.isEmpty()) {
            throw usage("id is missing in " + text);
        }
        final ControlAddress device =
                switch (backend) {
                    case "stdio" -> stdio(options, text);
                    case "socket" -> server(socket(options, text), options, text);
                    default -> throw unsupported(backend, " as a backend; there are socket, stdio");
                };
        if (devices.put(id, device) != null) {
            throw usage("id " + id + " is there twice");
        }
    }

    private Endpoint socket(final Map<String, String> options, final String text) {
        final String path = options.remove("path");
        final String host = options.remove("host");
        final String port = options.remove("port");
        if ((path == null) == (port == null) || (path != null && host != null)) {
            throw usage("either path, or host and port must be given in " + text);
        }
        return path == null ? tcp(host == null ? "" : host, port, text) : unix(path);
    }

    private ControlAddress monitor(final String text, final Map<String, ControlAddress> devices) {
        final Map<String, String> options = split(text, "chardev");
        final String device = options.remove("chardev");
        final String mode = options.remove("mode");
        if (!"control".equals(mode)) {
            throw usage("only mode=control is supported, not " + text);
        }
        requireNone(options, text);
        final ControlAddress address = devices.get(device);
        if (address == null) {
            throw usage("chardev " + device + " is not there; name it with -chardev, and once");
        }
        devices.remove(device);
        return address;
    }

    // ---- Addresses.

    private ControlAddress stdio(final Map<String, String> options, final String text) {
        requireNone(options, text);
        return new ControlAddress.Stdio();
    }

    private void requireNone(final Map<String, String> options, final String text) {
        if (!options.isEmpty()) {
            throw unsupported(options.keySet().iterator().next(), " in " + text);
        }
    }

    private Endpoint unix(final String path) {
        if (path.isEmpty()) {
            throw usage("the path is missing in unix:");
        }
        return new Endpoint.Unix(PathConverter.parse(spec, option, path));
    }

    private Endpoint tcp(final String text) {
        final Matcher matcher = HOST_AND_PORT.matcher(text);
        if (!matcher.matches()) {
            throw usage("tcp:HOST:PORT is wanted, not tcp:" + text);
        }
        final String six = matcher.group("six");
        return tcp(six == null ? matcher.group("host") : six, matcher.group("port"), "tcp:" + text);
    }

    private Endpoint tcp(final String host, final String port, final String text) {
        if (!port.matches("\\d{1,5}") || Integer.parseInt(port) > PORT_MAX) {
            throw usage("port " + port + " is none, in " + text);
        }
        return new Endpoint.Tcp(host.isEmpty() ? LOOPBACK : host, Integer.parseInt(port));
    }

    /** What else may be said of a server's socket. */
    private ControlAddress server(
            final Endpoint endpoint, final Map<String, String> options, final String text) {
        boolean isServer = false;
        for (final Map.Entry<String, String> option : options.entrySet()) {
            switch (option.getKey() + "=" + option.getValue()) {
                case "server=on" -> isServer = true;
                case "wait=off", "nowait=on", "telnet=off", "websocket=off" -> {}
                case "nodelay=on", "nodelay=off" -> {
                    if (endpoint instanceof Endpoint.Unix) {
                        throw unsupported(option.getKey(), " for a Unix socket: " + text);
                    }
                }
                case "wait=on" ->
                        throw unsupported(
                                "wait=on", "; the engine waits for no client: write wait=off");
                default ->
                        throw unsupported(option.getKey() + "=" + option.getValue(), " in " + text);
            }
        }
        if (!isServer) {
            throw usage("the engine connects to no monitor; write server=on, behind " + text);
        }
        return new ControlAddress.Socket(endpoint);
    }

    /**
     * QEMU's options: separated by commas, of which two are one in a value; one without a value is
     * on.
     *
     * @param first what the value is called that comes first, without a name
     */
    private Map<String, String> split(final String text, final String first) {
        final Map<String, String> options = new LinkedHashMap<>();
        final StringBuilder part = new StringBuilder();
        for (int i = 0; i <= text.length(); i++) {
            final boolean isComma = i < text.length() && text.charAt(i) == ',';
            if (isComma && i + 1 < text.length() && text.charAt(i + 1) == ',') {
                part.append(',');
                i++;
            } else if (isComma || i == text.length()) {
                add(part.toString(), options, first);
                part.setLength(0);
            } else {
                part.append(text.charAt(i));
            }
        }
        return options;
    }

    private void add(final String part, final Map<String, String> options, final String first) {
        final int equals = part.indexOf('=');
        final boolean isFirst = options.isEmpty() && (first.equals("address") || equals < 0);
        final String key = isFirst ? first : equals < 0 ? part : part.substring(0, equals);
        final String value = isFirst ? part : equals < 0 ? "on" : part.substring(equals + 1);
        if (options.put(key, value) != null) {
            throw usage(key + " is given twice");
        }
    }

    private ParameterException unsupported(final String what, final String more) {
        return usage("'" + what + "' is not supported" + more + "; there are " + FORMS);
    }

    private ParameterException usage(final String sentence) {
        return new ParameterException(spec.commandLine(), option + ": " + sentence);
    }
}
