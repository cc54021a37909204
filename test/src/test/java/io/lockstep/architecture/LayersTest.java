package io.lockstep.architecture;

import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaCall;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.core.importer.Location;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.RandomAccessFile;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.time.Clock;
import java.time.Instant;

/**
 * Which part of Lockstep may know of what (docs/architecture.md).
 *
 * <p>The simulator runs the whole of it in one thread, on a clock and a network of its own. That
 * holds as long as no state machine reaches for the real ones.
 */
@AnalyzeClasses(packages = "io.lockstep", importOptions = LayersTest.NoTests.class)
final class LayersTest {

    private static final String WIRE = "io.lockstep.nbd..";
    private static final String ENGINE = "io.lockstep.engine..";
    private static final String LOOP = "io.lockstep.engine.loop..";
    private static final String MEMORY = "io.lockstep.engine.memory..";
    private static final String DISK = "io.lockstep.engine.disk..";
    private static final String CLI = "io.lockstep.cli..";
    private static final String BENCH = "io.lockstep.bench..";
    private static final String SIMULATOR = "io.lockstep.simulator..";

    private static final DescribedPredicate<JavaCall<?>> READ_A_CLOCK =
            target(owner(assignableTo(System.class)))
                    .and(target(nameMatching("nanoTime|currentTimeMillis")))
                    .or(
                            target(owner(assignableTo(Instant.class).or(assignableTo(Clock.class))))
                                    .and(target(nameMatching("now|millis|instant|system.*"))))
                    .or(
                            target(owner(resideInAPackage("java.time..")))
                                    .and(target(nameMatching("now"))))
                    .or(target(owner(nameMatching("org\\.agrona\\.concurrent\\..*System.*Clock"))))
                    .as("read a clock");

    private static final DescribedPredicate<JavaClass> FILES =
            resideInAPackage("java.nio.file..")
                    .or(assignableTo(java.io.File.class))
                    .or(assignableTo(FileDescriptor.class))
                    .or(assignableTo(FileInputStream.class))
                    .or(assignableTo(FileOutputStream.class))
                    .or(assignableTo(RandomAccessFile.class))
                    .as("files");

    private static final DescribedPredicate<JavaClass> THREADS =
            assignableTo(Thread.class)
                    .or(resideInAPackage("java.util.concurrent.."))
                    .as("threads, locks or concurrent collections");

    private static final DescribedPredicate<JavaClass> SOCKETS =
            resideInAnyPackage("java.net..", "java.nio.channels..").as("sockets or channels");

    /**
     * Leaves tests out wherever a build puts them: ArchUnit's own option knows only Maven's
     * default.
     */
    static final class NoTests implements ImportOption {
        @Override
        public boolean includes(final Location location) {
            return !location.contains("/test-classes/");
        }
    }

    // --- Modules: what may depend on what ---

    @ArchTest
    static final ArchRule nbd_wire_knows_nothing_of_the_rest =
            noClasses()
                    .that()
                    .resideInAPackage(WIRE)
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(ENGINE, CLI, BENCH, SIMULATOR)
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule the_engine_knows_nothing_of_the_command_line =
            noClasses()
                    .that()
                    .resideInAPackage(ENGINE)
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(CLI, BENCH, SIMULATOR, "picocli..")
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule the_command_line_knows_nothing_of_benchmarks_and_simulator =
            noClasses()
                    .that()
                    .resideInAPackage(CLI)
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(BENCH, SIMULATOR);

    // --- State machines: no sockets, no threads, no clocks ---

    @ArchTest
    static final ArchRule nbd_wire_has_no_sockets =
            noClasses()
                    .that()
                    .resideInAPackage(WIRE)
                    .should()
                    .dependOnClassesThat(SOCKETS)
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule nbd_wire_has_no_threads =
            noClasses()
                    .that()
                    .resideInAPackage(WIRE)
                    .should()
                    .dependOnClassesThat(THREADS)
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule nbd_wire_has_no_files =
            noClasses()
                    .that()
                    .resideInAPackage(WIRE)
                    .should()
                    .dependOnClassesThat(FILES)
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule state_machines_have_no_clock =
            noClasses()
                    .that()
                    .resideInAnyPackage(WIRE, ENGINE, SIMULATOR)
                    .and()
                    .resideOutsideOfPackages(LOOP, DISK)
                    .should()
                    .callMethodWhere(READ_A_CLOCK)
                    .allowEmptyShould(true);

    // --- The seams: who may touch the operating system ---

    @ArchTest
    static final ArchRule only_loops_have_sockets =
            noClasses()
                    .that()
                    .resideInAPackage(ENGINE)
                    .and()
                    .resideOutsideOfPackage(LOOP)
                    .should()
                    .dependOnClassesThat(
                            resideInAPackage("java.nio.channels..")
                                    .and(
                                            nameMatching(
                                                    ".*\\.(Selector|SelectionKey|.*SocketChannel)")))
                    .allowEmptyShould(true);

    @ArchTest
    static final ArchRule only_memory_and_disks_call_native_functions =
            noClasses()
                    .that()
                    .resideInAPackage("io.lockstep..")
                    .and()
                    .resideOutsideOfPackages(MEMORY, DISK)
                    .should()
                    .dependOnClassesThat(
                            assignableTo(Linker.class)
                                    .or(assignableTo(SymbolLookup.class))
                                    .as("the linker"))
                    .allowEmptyShould(true);
}
