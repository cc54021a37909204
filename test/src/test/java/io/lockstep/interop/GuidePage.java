package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A page of docs/ with commands that are to be typed on hosts, section by section: every line
 * behind a prompt, with those that continue it. Immutable.
 */
final class GuidePage {
    private static final Pattern PROMPT = Pattern.compile(" {4}(north|south|west|vm)([$>]) (.*)");
    private static final Pattern HEADING = Pattern.compile("###? (.*)");

    private final Map<String, List<Step>> sections = new HashMap<>();

    /**
     * What is typed.
     *
     * @param isShell into a shell, rather than a monitor
     */
    record Step(String host, boolean isShell, String text) {}

    private GuidePage(final List<String> lines) {
        List<Step> section = new ArrayList<>();
        boolean continues = false;
        for (final String line : lines) {
            final Matcher heading = HEADING.matcher(line);
            final Matcher prompt = PROMPT.matcher(line);
            if (heading.matches()) {
                section = new ArrayList<>();
                sections.put(heading.group(1), section);
                continues = false;
            } else if (prompt.matches()) {
                section.add(
                        new Step(prompt.group(1), prompt.group(2).equals("$"), prompt.group(3)));
                continues = true;
            } else if (continues && line.startsWith("        ")) {
                final Step step = section.removeLast();
                final String text = step.text().replaceFirst("\\\\$", "") + line.strip();
                section.add(new Step(step.host(), step.isShell(), text));
            } else {
                continues = false;
            }
        }
    }

    /** Reads one by its name in docs/. */
    static GuidePage read(final String name) {
        try {
            return new GuidePage(Files.readAllLines(pathOf(name)));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Where one is. */
    static Path pathOf(final String name) {
        Path directory = Path.of("").toAbsolutePath();
        while (!Files.exists(directory.resolve("docs").resolve(name))) {
            directory = directory.getParent();
        }
        return directory.resolve("docs").resolve(name);
    }

    /** What is typed in a section, which must be there. */
    List<Step> steps(final String section) {
        assertNotNull(sections.get(section), section);
        return List.copyOf(sections.get(section));
    }
}
