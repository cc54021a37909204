package io.lockstep.architecture;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

import org.junit.jupiter.api.Assertions;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The walls between the packages of the command line and of the benchmarks (docs/architecture.md):
 * each stands on those behind it, and none knows those before it.
 */
@AnalyzeClasses(packages = "io.lockstep", importOptions = LayersTest.NoTests.class)
final class RoomsTest {
    private static final String CLI = "io.lockstep.cli";
    private static final String BENCH = "io.lockstep.bench";

    /** From the roof to the ground. */
    private static final List<String> CLI_ROOMS =
            List.of("command", "demo", "run", "argument", "control", "graph");

    /** The same; rooms of one floor don't know each other. */
    private static final List<Set<String>> BENCH_FLOORS =
            List.of(
                    Set.of("compare", "healing", "profile", "growth", "limits"),
                    Set.of("load"),
                    Set.of("peer"),
                    Set.of("report"));

    @ArchTest
    static void rooms_of_the_command_line_stand_on_those_behind_them(final JavaClasses classes) {
        for (int i = 1; i < CLI_ROOMS.size(); i++) {
            rule(
                            CLI + "." + CLI_ROOMS.get(i) + "..",
                            CLI_ROOMS.subList(0, i).stream().map(room -> CLI + "." + room + ".."),
                            CLI)
                    .check(classes);
        }
    }

    @ArchTest
    static void rooms_of_the_benchmarks_stand_on_those_behind_them(final JavaClasses classes) {
        for (int i = 0; i < BENCH_FLOORS.size(); i++) {
            for (final String room : BENCH_FLOORS.get(i)) {
                rule(
                                BENCH + "." + room + "..",
                                BENCH_FLOORS.subList(0, i + 1).stream()
                                        .flatMap(Set::stream)
                                        .filter(other -> !other.equals(room))
                                        .map(other -> BENCH + "." + other + ".."),
                                BENCH)
                        .check(classes);
            }
        }
    }

    /** Nobody in a room knows those above it, nor who lists the commands, under the roof itself. */
    private static ArchRule rule(final String room, final Stream<String> above, final String roof) {
        final String[] unknown = Stream.concat(above, Stream.of(roof)).toArray(String[]::new);
        return noClasses()
                .that()
                .resideInAPackage(room)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(unknown);
    }

    /** A room that is not in the lists above would have no walls. */
    @ArchTest
    static void every_room_is_listed(final JavaClasses classes) {
        Assertions.assertEquals(Set.copyOf(CLI_ROOMS), rooms(classes, CLI));
        final Set<String> bench =
                BENCH_FLOORS.stream().flatMap(Set::stream).collect(Collectors.toSet());
        bench.add("jmh");
        Assertions.assertEquals(bench, rooms(classes, BENCH));
    }

    private static Set<String> rooms(final JavaClasses classes, final String roof) {
        return classes.getPackage(roof).getSubpackages().stream()
                .map(JavaPackage::getRelativeName)
                .collect(Collectors.toSet());
    }

    @ArchTest
    static final ArchRule packages_of_the_engine_have_no_circle =
            slices().matching("io.lockstep.engine.(*)..").should().beFreeOfCycles();
}
