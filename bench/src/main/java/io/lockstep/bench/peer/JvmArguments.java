package io.lockstep.bench.peer;

import java.util.List;

/** What every JVM of ours needs; the launcher and the parent's pom.xml say the same. */
public final class JvmArguments {
    /** Native calls, Agrona's way to the JDK's own Unsafe, and JCTools' to the old one. */
    public static final List<String> ALL =
            List.of(
                    "--enable-native-access=ALL-UNNAMED",
                    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
                    "--sun-misc-unsafe-memory-access=allow");

    private JvmArguments() {}
}
