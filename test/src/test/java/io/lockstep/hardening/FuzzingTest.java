package io.lockstep.hardening;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.nbd.Nbd;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Fuzzes every target, guided by coverage, for a few seconds: Jazzer in a process of its own. The
 * same for longer, of all targets or of one, going on from the corpus that was found before:
 *
 * <pre>
 * mvn -o -P quick -am -pl test test -Dtest=FuzzingTest -Dsurefire.failIfNoSpecifiedTests=false \
 *     -Dlockstep.fuzz.seconds=600 -Dlockstep.fuzz.target=ServerSession
 * </pre>
 *
 * <p>Corpus, log and what broke a target lie in {@code target/fuzz/TARGET} of the module's build
 * folder; {@code mvn clean} begins anew. An input that broke a target becomes a seed, in {@link
 * FuzzSeeds}, under the name of what it broke.
 */
@Timeout(value = 1, unit = TimeUnit.DAYS) // each process has a limit of its own
final class FuzzingTest {
    private static final int SECONDS = Integer.getInteger("lockstep.fuzz.seconds", 10);
    private static final String TARGET = System.getProperty("lockstep.fuzz.target", "");

    /** A machine under load can take long to start a process that rewrites its classes. */
    private static final int START_SECONDS = 300;

    private static final int INPUT_LENGTH_MAX = 4096;

    /** What a fuzzer may take: far more than its heap. */
    private static final long MEMORY_MEBIBYTES = 4096;

    private static final Pattern PROGRESS = Pattern.compile("cov: (\\d+) ft: (\\d+)");
    private static final Pattern DONE = Pattern.compile("Done (\\d+) runs");

    @ParameterizedTest
    @ValueSource(
            strings = {
                "ServerHandshake",
                "ServerTransmission",
                "ServerSession",
                "ClientHandshake",
                "ClientTransmission",
                "Qmp",
                "DottedKeys",
                "NodeState"
            })
    void noInputBreaks(final String target) throws Exception {
        org.junit.jupiter.api.Assumptions.assumeTrue(
                TARGET.isEmpty() || TARGET.equals(target), "another target was asked for");
        final Path folder = folder(target);
        final Path log = folder.resolve("log");
        final Process process = start(target, folder, log);
        try {
            assertTrue(
                    process.waitFor(SECONDS + START_SECONDS, TimeUnit.SECONDS),
                    () -> "fuzzing does not end: " + log);
        } finally {
            process.destroyForcibly();
        }
        final String output = Files.readString(log);
        assertEquals(0, process.exitValue(), () -> "broken: " + log + "\n" + tail(output));
        final Matcher done = DONE.matcher(output);
        assertTrue(done.find(), () -> "no sum of what was done: " + log);
        final List<String> progress =
                PROGRESS.matcher(output).results().map(result -> result.group()).toList();
        System.out.println(
                "fuzzed "
                        + target
                        + ": "
                        + done.group(1)
                        + " inputs in "
                        + SECONDS
                        + " s, from "
                        + progress.getFirst()
                        + " to "
                        + progress.getLast());
        assertTrue(number(progress.getLast()) > 50, "coverage is not measured");
    }

    private static int number(final String progress) {
        final Matcher matcher = PROGRESS.matcher(progress);
        assertTrue(matcher.matches());
        return Integer.parseInt(matcher.group(1));
    }

    private static String tail(final String output) {
        return output.substring(Math.max(0, output.length() - 4000));
    }

    private static Path folder(final String target) throws Exception {
        final Path classes =
                Path.of(
                        FuzzingTest.class
                                .getProtectionDomain()
                                .getCodeSource()
                                .getLocation()
                                .toURI());
        final Path folder = classes.resolveSibling("fuzz").resolve(target);
        Files.createDirectories(folder.resolve("corpus"));
        Files.writeString(folder.resolve("dictionary"), dictionary());
        return folder;
    }

    private static Process start(final String target, final Path folder, final Path log)
            throws IOException {
        final List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "-ea",
                        "-Xmx512m",
                        "-XX:+UseSerialGC",
                        "-XX:+EnableDynamicAgentLoading",
                        "--enable-native-access=ALL-UNNAMED",
                        "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-D" + FuzzWatch.FOLDER + "=" + folder,
                        "-cp",
                        System.getProperty("java.class.path"),
                        "com.code_intelligence.jazzer.Jazzer",
                        "--target_class=io.lockstep.hardening." + target + "FuzzTest",
                        "--instrumentation_includes=io.lockstep.nbd.**:io.lockstep.engine.server.**:"
                            + "io.lockstep.engine.node.**:io.lockstep.cli.**",
                        // Jazzer's own detectors look for injections, of which there are none.
                        "--custom_hook_includes=none.**",
                        "-max_total_time=" + SECONDS,
                        "-max_len=" + INPUT_LENGTH_MAX,
                        "-timeout=0", // see FuzzWatch
                        "-rss_limit_mb=" + (MEMORY_MEBIBYTES + peakMebibytes()),
                        "-dict=" + folder.resolve("dictionary"),
                        "-artifact_prefix=" + folder + "/",
                        "--reproducer_path=" + folder,
                        folder.resolve("corpus").toString()));
        return new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    /**
     * The most that this process has had in memory: the kernel takes it for the peak of whoever it
     * starts, and the fuzzer judges by that.
     */
    private static long peakMebibytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmHWM:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) >> 10)
                .findFirst()
                .orElseThrow();
    }

    /** The numbers that no fuzzer finds by chance. */
    private static String dictionary() {
        final StringBuilder dictionary = new StringBuilder();
        for (final long magic :
                List.of(Nbd.INIT_PASSWD, Nbd.OPTS_MAGIC, Nbd.CLISERV_MAGIC, Nbd.REP_MAGIC)) {
            dictionary.append(entry(new Bytes().u64(magic)));
        }
        for (final int magic :
                List.of(
                        Nbd.REQUEST_MAGIC,
                        Nbd.EXTENDED_REQUEST_MAGIC,
                        Nbd.SIMPLE_REPLY_MAGIC,
                        Nbd.STRUCTURED_REPLY_MAGIC,
                        Nbd.EXTENDED_REPLY_MAGIC,
                        Nbd.REP_ERR_UNSUP,
                        Nbd.REP_ERR_POLICY)) {
            dictionary.append(entry(new Bytes().u32(magic)));
        }
        dictionary.append(entry(Bytes.text(Nbd.CONTEXT_BASE_ALLOCATION)));
        dictionary.append(entry(Bytes.text(FuzzedExports.DEFAULT)));
        for (final String word :
                List.of("execute", "arguments", "driver", "node-name", "children", "replication")) {
            dictionary.append(entry(Bytes.text(word)));
        }
        return dictionary.toString();
    }

    private static String entry(final Bytes bytes) {
        final StringBuilder entry = new StringBuilder("\"");
        for (final byte value : bytes.toArray()) {
            entry.append("\\x%02x".formatted(value));
        }
        return entry.append("\"\n").toString();
    }
}
