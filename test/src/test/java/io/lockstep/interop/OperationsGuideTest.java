package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Lives the life of a pair as docs/operations.md begins with it: every line behind a prompt, on
 * hosts that are directories of this one, with addresses and sizes of the test.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class OperationsGuideTest {
    private static final int LENGTH = 4 << 20;

    @AutoClose private final Rig rig = new Rig();
    private final GuidePage page = GuidePage.read("operations.md");
    private final Map<String, LockstepProcess> nodes = new HashMap<>();
    private final Map<String, List<String>> commands = new HashMap<>();

    private void run(final String section) {
        final List<GuidePage.Step> steps = page.steps(section);
        assertFalse(steps.isEmpty(), section);
        for (final GuidePage.Step step : steps) {
            final List<String> words = words(step);
            switch (words.getFirst()) {
                case "truncate" -> truncate(step.host(), words.get(3));
                case "lockstep" -> lockstep(step.host(), words.subList(1, words.size()));
                default -> throw new AssertionError(step);
            }
        }
    }

    /** A new file of the test's length, or one that is there of twice that. */
    private void truncate(final String host, final String file) {
        if (!Files.exists(disk(host))) {
            rig.hole(file, LENGTH);
            return;
        }
        try (RandomAccessFile longer = new RandomAccessFile(disk(host).toFile(), "rw")) {
            longer.setLength(2L * LENGTH);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** As they are typed there, with what the test has in the place of addresses and files. */
    private List<String> words(final GuidePage.Step step) {
        final Map<String, String> replaced = new LinkedHashMap<>();
        replaced.put("nbd://:10809", link(step.host()));
        for (final String host : List.of("north", "south")) {
            replaced.put("nbd://" + host + ":10809", link(host));
        }
        replaced.put("/run/vda", file(step.host(), "").toString());
        String text = step.text();
        for (final Map.Entry<String, String> each : replaced.entrySet()) {
            text = text.replace(each.getKey(), each.getValue());
        }
        final List<String> words = new ArrayList<>();
        for (final String word : text.split(" +")) {
            words.add(word.replaceFirst("^(vda=)?vda\\.img", "$1" + disk(step.host())));
        }
        return words;
    }

    private void lockstep(final String host, final List<String> arguments) {
        if (arguments.getFirst().equals("node")) {
            final List<String> all = new ArrayList<>(arguments);
            all.addAll(List.of("--buffers", file(host, ".buffers").toString()));
            commands.put(host, all);
            start(host);
        } else {
            rig.lockstep(arguments.toArray(String[]::new)).requireSuccess();
        }
    }

    private void start(final String host) {
        nodes.put(host, rig.server(commands.get(host)));
    }

    private String link(final String host) {
        return "nbd+unix:///?socket=" + file(host, ".link");
    }

    private Path file(final String host, final String what) {
        return rig.path(host + what);
    }

    private Path disk(final String host) {
        return file(host, ".img");
    }

    private void write(final String host, final int value) {
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(bytes([int(sys.argv[2])]) * 4096, 0);"
                        + " h.flush()",
                "nbd+unix:///vda?socket=" + file(host, ".sock"),
                "" + value);
    }

    private void requireEqual(final String primary, final int value) {
        try (Control control = Control.connect(file(primary, ".qmp"))) {
            control.awaitHealed();
            control.checkpoint();
        }
        assertEquals(value, Rig.read(disk("north"))[0]);
        assertArrayEquals(Rig.read(disk("north")), Rig.read(disk("south")));
    }

    @Test
    void thePairLives() {
        run("Create");
        run("Replicate");
        write("north", 1);
        requireEqual("north", 1);

        nodes.get("south").kill();
        write("north", 2);
        start("south");
        requireEqual("north", 2);

        nodes.get("north").kill();
        run("Lose the primary");
        write("south", 3);
        start("north");
        run("Come back");
        requireEqual("south", 3);

        run("Verify");

        run("Grow");
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(b'x' * 4096, h.get_size() - 4096); h.flush()",
                "nbd+unix:///vda?socket=" + file("south", ".sock"));
        requireEqual("south", 3);
        assertEquals('x', Rig.read(disk("north"))[2 * LENGTH - 1]);

        run("Switch");
        write("north", 4);
        requireEqual("north", 4);

        nodes.values().forEach(node -> assertEquals(0, node.stop(), node::toString));
        run("Retire");
        assertArrayEquals(Rig.read(disk("north")), Rig.read(disk("south")));
    }
}
