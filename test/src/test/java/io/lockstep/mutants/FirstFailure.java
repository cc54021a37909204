package io.lockstep.mutants;

import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestDescriptor;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.PostDiscoveryFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Runs tests until the first one fails. It does not wait for what they have started; so it is for a
 * process of its own.
 *
 * <p>Arguments: the directory with the classes of the tests, and the tests as Surefire's {@code
 * -Dtest} has them, as in {@code OneTest,OtherTest#every*+the*}. Exits with 1 where one fails, and
 * says which; with 0 where none does, and with 2 where there is none.
 */
public final class FirstFailure {
    /** A test class, and which of its methods: a pattern. */
    private record Wanted(String className, String methods) {
        boolean takes(final MethodSource source) {
            return source.getClassName().equals(className)
                    && source.getMethodName().matches(methods);
        }
    }

    private FirstFailure() {}

    /** See the class. */
    public static void main(final String[] arguments) throws IOException {
        final List<Wanted> wanted = parse(Path.of(arguments[0]), arguments[1]);
        final Listener listener = new Listener();
        LauncherFactory.create().execute(request(wanted), listener);
        System.out.println(listener.count + " tests, and none fails");
        Runtime.getRuntime().halt(listener.count == 0 ? 2 : 0);
    }

    private static List<Wanted> parse(final Path classes, final String tests) throws IOException {
        final List<Wanted> all = new ArrayList<>();
        for (final String test : tests.split(",")) {
            final String[] parts = test.split("#", 2);
            final String className = find(classes, parts[0]);
            if (parts.length == 1) {
                all.add(new Wanted(className, ".*"));
            } else {
                for (final String method : parts[1].split("\\+")) {
                    all.add(new Wanted(className, method.replace("*", ".*")));
                }
            }
        }
        return all;
    }

    private static String find(final Path classes, final String simpleName) throws IOException {
        try (Stream<Path> files = Files.walk(classes)) {
            final Optional<Path> found =
                    files.filter(file -> file.endsWith(simpleName + ".class")).findFirst();
            if (found.isEmpty()) {
                System.out.println("there is no test " + simpleName);
                Runtime.getRuntime().halt(2);
            }
            final String name = classes.relativize(found.get()).toString();
            return name.substring(0, name.length() - ".class".length()).replace('/', '.');
        }
    }

    private static LauncherDiscoveryRequest request(final List<Wanted> wanted) {
        final List<DiscoverySelector> selectors =
                wanted.stream()
                        .map(Wanted::className)
                        .distinct()
                        .<DiscoverySelector>map(DiscoverySelectors::selectClass)
                        .toList();
        final PostDiscoveryFilter filter =
                descriptor -> FilterResult.includedIf(isTaken(wanted, descriptor));
        return LauncherDiscoveryRequestBuilder.request()
                .selectors(selectors)
                .filters(filter)
                .configurationParameter("junit.jupiter.execution.timeout.default", "2 m")
                .build();
    }

    private static boolean isTaken(final List<Wanted> wanted, final TestDescriptor descriptor) {
        return descriptor
                .getSource()
                .filter(MethodSource.class::isInstance)
                .map(MethodSource.class::cast)
                .map(source -> wanted.stream().anyMatch(one -> one.takes(source)))
                .orElse(true);
    }

    private static final class Listener implements TestExecutionListener {
        private int count;

        @Override
        public void executionFinished(
                final TestIdentifier identifier, final TestExecutionResult result) {
            if (identifier.isTest()) {
                count++;
            }
            if (result.getStatus() == TestExecutionResult.Status.FAILED) {
                System.out.println(
                        identifier.getDisplayName()
                                + " fails: "
                                + result.getThrowable().map(Throwable::toString).orElse(""));
                Runtime.getRuntime().halt(1);
            }
        }
    }
}
