package io.lockstep.cli.command;

import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.engine.loop.Endpoint;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.util.List;
import java.util.concurrent.Callable;

/** {@code lockstep secondary}: takes a primary's stream, until SIGTERM or SIGINT. */
@Command(
        name = "secondary",
        description =
                "Takes a primary's writes, and can take over at its last checkpoint. Start it"
                        + " before the primary.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  One disk, whose content is a copy of the primary's:",
            "    lockstep secondary --disk vda=vda.img --listen nbd://:10809 \\",
            "        --guest nbd+unix:///?socket=/run/guest.sock --control /run/secondary.qmp",
            "",
            "  and on the primary's host",
            "    lockstep primary --disk vda=vda.img --peer nbd://SECONDARY:10809 \\",
            "        --guest nbd+unix:///?socket=/run/guest.sock \\",
            "        --control /run/primary.qmp --assume-identical",
            "",
            "  It prints one line that begins with \"ready\" when a primary may come. A process",
            "  that was stopped or killed goes on where it was when it is started with the",
            "  same --buffers.",
            "",
            "Exit codes: 0 stopped by SIGTERM or SIGINT; 1 a disk, an address, the control",
            "socket or the buffers can't be had; 2 wrong usage."
        })
public final class SecondaryCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private PairOptions pair;

    @Option(
            names = "--listen",
            required = true,
            paramLabel = "URI",
            description =
                    "Where the primary's stream comes in: nbd://HOST:PORT (no host: every address;"
                            + " port 0: a free one) or nbd+unix:///?socket=PATH. Repeatable.")
    private List<String> listen;

    @Mixin private BufferOptions buffers;
    @Mixin private LoopOptions loops;

    @Override
    public Integer call() throws InterruptedException {
        final List<Endpoint> listenAt = EndpointArguments.parse(spec, "--listen", listen);
        final long bufferLimit = buffers.limit(spec);
        loops.require(spec);
        return new SecondaryRole(pair.toPair(spec, listenAt), buffers, loops, bufferLimit, listenAt)
                .run();
    }
}
