package io.lockstep.bench;

import org.openjdk.jmh.Main;

import picocli.CommandLine.Command;
import picocli.CommandLine.Unmatched;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/** {@code lockstep bench jmh}: the JMH benchmarks of {@code io.lockstep.bench.jmh}. */
@Command(
        name = "jmh",
        description = {
            "Measures each piece on the data path by itself, with JMH. All arguments are JMH's: -h"
                    + " says which there are, -l lists the benchmarks.",
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep bench jmh                                   all, a quarter of an hour",
            "  lockstep bench jmh -prof gc -wi 2 -i 3 -w 1 -r 1 -f 1 Commit",
            "",
            "With -prof gc the lines gc.alloc.rate.norm show what is allocated: about 0 B/op."
        })
final class Microbenchmarks implements Callable<Integer> {
    @Unmatched private List<String> arguments = new ArrayList<>();

    @Override
    public Integer call() throws IOException {
        final List<String> all = new ArrayList<>(arguments);
        all.add("-jvmArgsAppend");
        all.add(String.join(" ", JvmArguments.ALL));
        Main.main(all.toArray(String[]::new));
        return 0;
    }
}
