package io.lockstep.interop;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A host of a pair of {@code lockstep node}, with the one command that is typed there. */
final class NodeHost {
    private static final int LENGTH = 4 << 20;

    private final Rig rig;
    private final String name;
    private final String other;
    private final List<String> first;
    private final List<String> more = new ArrayList<>();
    LockstepProcess process;

    NodeHost(final Rig rig, final String name, final String other, final String first) {
        this.rig = rig;
        this.name = name;
        this.other = other;
        this.first = List.of("--first", first);
        rig.hole(name + ".img", LENGTH);
    }

    /** With more arguments. */
    NodeHost with(final String... arguments) {
        more.addAll(List.of(arguments));
        return this;
    }

    /** With another disk. */
    NodeHost withDisk(final String disk) {
        final String file = name + "-" + disk + ".img";
        rig.hole(file, LENGTH);
        return with("--disk", disk + "=" + rig.path(file));
    }

    Path disk() {
        return rig.path(name + ".img");
    }

    Path socket(final String what) {
        return rig.path(name + what);
    }

    String guest() {
        return "nbd+unix:///vda?socket=" + socket("g");
    }

    /** Without what it is first. */
    List<String> bare(final String command, final List<String> more) {
        final List<String> arguments = new ArrayList<>();
        arguments.addAll(List.of(command, "--disk", "vda=" + disk()));
        arguments.addAll(List.of("--guest", "nbd+unix:///?socket=" + socket("g")));
        arguments.addAll(List.of("--control", socket("c").toString()));
        arguments.addAll(more);
        return arguments;
    }

    List<String> addresses() {
        return List.of(
                "--listen",
                "nbd+unix:///?socket=" + socket("l"),
                "--peer",
                "nbd+unix:///?socket=" + rig.path(other + "l"),
                "--buffers",
                rig.path(name + "buffers").toString());
    }

    List<String> command() {
        final List<String> all = new ArrayList<>(addresses());
        all.addAll(first);
        all.addAll(more);
        return bare("node", all);
    }

    /** Answers what it says that it is. */
    String start() {
        process = rig.server(command());
        return process.ready();
    }

    Control control() {
        return Control.connect(socket("c"));
    }

    void write(final int value) {
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(bytes([int(sys.argv[2])]) * 4096, 0);"
                        + " h.flush()",
                guest(),
                "" + value);
    }

    int seenByGuest() {
        return Integer.parseInt(
                rig.python("print(connect(sys.argv[1]).pread(1, 0)[0])", guest()).out().strip());
    }

    int firstByte() {
        return Rig.read(disk())[0];
    }

    JsonObject state() {
        final Tool.Output output = rig.lockstep("state", "--json", "--state", disk() + ".lockstep");
        return JsonParser.parseString(output.requireSuccess().out()).getAsJsonObject();
    }

    String standing() {
        return state().get("standing").getAsString();
    }

    void forget() {
        rig.lockstep("state", "--forget", "--state", disk() + ".lockstep").requireSuccess();
    }

    void awaitLink() {
        try (Control control = control()) {
            control.awaitLink();
        }
    }
}
